"""What it costs ``clipvec index`` and ``clipvec recall`` to compare rows with their checksums.

    python -m benchmarks.checksums [--rows 20000] [--dim 512]

Processor time of one run of each command over the same synthetic rows: that of the SHA-256, in the
thread that computes it, against that of the whole command with the processes that it starts. Those
of recall read the rows as the command itself does, once each, and count as much.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import clipvec
from benchmarks.result import result
from clipvec.store import checksums

SYSTEMS = 3
"""Of ``systems=quick``, each in a process of its own."""


def share(name: str, command: Callable[[], object], processes: int = 1) -> None:
    """Run a command in which so many processes read all rows, and print the ratio."""
    spent = bytes_read = 0.0
    sha256 = checksums.sha256

    def timed(*pieces: bytes | memoryview) -> str:
        nonlocal spent, bytes_read
        started = time.thread_time()
        digest = sha256(*pieces)
        spent += time.thread_time() - started
        bytes_read += sum(map(len, pieces))
        return digest

    before = sum(os.times()[:4])
    with mock.patch.object(checksums, "sha256", timed):
        command()
    whole = sum(os.times()[:4]) - before
    compared = processes * spent
    detail = (
        f"with checksums against without; SHA-256 of {bytes_read / 1e6:,.0f} MB in each of "
        f"{processes} processes, {compared:.3f} s, of {whole:.1f} s of processor time"
    )
    print(result(name, whole / (whole - compared), detail), flush=True)


def main() -> None:
    """Print a line for each command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--dim", type=int, default=512)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        drawn: dict[str, Any] = {"experiment": "synthetic", "store.root": f"{folder}/store"}
        drawn |= {"dataset.rows": given.rows, "dataset.dim": given.dim}
        clipvec.run_embed(**drawn)
        for kind in ("faiss", "chroma"):
            index = {"index": kind, "index.path": f"{folder}/{kind}"}
            share(f"index={kind}", lambda index=index: clipvec.run_index(**drawn, **index))
        recall = {**index, "systems": "quick", "measure": "quick", "measure.time_budget_s": 2}
        recall |= {"report_dir": f"{folder}/report", "work_dir": f"{folder}/work"}
        share("recall", lambda: clipvec.run_recall(**drawn, **recall), 1 + SYSTEMS)


if __name__ == "__main__":
    main()
