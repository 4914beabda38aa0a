"""How long embed takes to see that none of many files is new.

    python -m benchmarks.nothing_new [--files 100000] [--generations 1]

Makes a folder of files and a store that lists them, in as many generations, and runs the command.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

from clipvec import config
from clipvec.config import EmbedConfig, to_dict
from clipvec.data import open_dataset
from clipvec.embed.fingerprint import data_fields
from clipvec.store import (
    REPLACED,
    Entry,
    Fingerprint,
    Golden,
    ModelFingerprint,
    Store,
    TombstoneFolder,
)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--generations", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        options = ["model=sample", "dataset=folder", f"dataset.path={root}/photos"]
        options += [f"store.root={root}/store", "sharding.count=10"]
        for number in range(given.files):
            file = Path(root, "photos", f"{number // 1000:03}", f"{number:07}.jpg")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"x")
        make_store(config.read_command("embed", options, EmbedConfig), given.generations)
        command = [sys.executable, "-m", "clipvec.embed", *options]
        for _ in range(3):
            started = time.perf_counter()
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            print(f"{time.perf_counter() - started:.2f} s: {done.stderr}{done.stdout}".strip())


def make_store(settings: EmbedConfig, generations: int) -> None:
    """Write a store that has listed the dataset, in shards without rows."""
    root, dataset, model = settings.store.root, settings.dataset.name, settings.model.name
    golden = Golden([1.0], [1.0])
    store = Store.create(
        f"{root}/{dataset}/{model}",
        Fingerprint(
            **data_fields(settings, None),
            model=ModelFingerprint("sample", "0" * 64, {}, 1, golden),
            precision="",
            code="",
        ),
        to_dict(settings.model),
    )
    import pyarrow as pa

    plan = open_dataset(settings.dataset).listing().table  # type: ignore[union-attr]
    for name in REPLACED:
        plan = plan.append_column(name, pa.nulls(len(plan), pa.int64()))
    ends = np.linspace(0, len(plan), generations + 1).astype(int).tolist()
    first = 0
    for number, (start, stop) in enumerate(pairwise(ends)):
        count = 1 if number else settings.sharding.count
        store.generations.add(number, first, count, stop - start, plan.slice(start, stop - start))
        if number:
            TombstoneFolder(store.folder).add(Entry.now(None, {}, generation=number))
        for shard in range(first, first + count):
            store.writer(shard).commit({})
        first += count


if __name__ == "__main__":
    main()
