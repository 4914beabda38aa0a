"""What tracking=offline costs embed, and what a run takes on the disk.

    python -m benchmarks.tracking_ratio [--rounds 3] [--images 10000]

The ratio: the bundled pictures with the sample model, disabled, offline, disabled in each round,
in this process, from the first read to the end of the run; by the clock, and by the processors'
time of this process and of wandb's, which other work on the machine disturbs less. The size: one
shard of JPEGs that the same model embeds, tracked with the defaults.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from hydra import compose, initialize_config_dir

from benchmarks.photos import folder
from clipvec import config
from clipvec.embed.run import Summary, embed_shards
from clipvec.paths import CONF_DIR


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        seconds(work, "offline")  # caches are warm, wandb is imported
        clocks, processors = [], []
        for _ in range(options.rounds):
            before, offline, after = (
                seconds(work, mode) for mode in ("disabled", "offline", "disabled")
            )
            clock, processor = (
                2 * o / (b + a) for b, o, a in zip(before, offline, after, strict=True)
            )
            clocks.append(clock)
            processors.append(processor)
            print(f"by the clock {clock:.3f}, by the processors' time {processor:.3f}", flush=True)
        print(
            f"median ratio by the clock {statistics.median(clocks):.3f}, by the processors' time "
            f"{statistics.median(processors):.3f}; load average {os.getloadavg()[0]:.1f}",
            flush=True,
        )
        size(work, options.images)


def seconds(work: Path, mode: str) -> tuple[float, float]:
    """Return how long the bundled pictures take: by the clock, and of the processors' time."""
    shutil.rmtree(work / "store", ignore_errors=True)
    started, used = time.perf_counter(), _processors()
    embed(work, f"tracking={mode}")
    return time.perf_counter() - started, _processors() - used


def _processors() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def size(work: Path, images: int) -> None:
    """Print what the run of one shard takes on the disk."""
    photos = folder(work / "photos", images, 224, 168)
    shutil.rmtree(work / "store", ignore_errors=True)
    summary = embed(work, "tracking=offline", "dataset=folder", f"dataset.path={photos}")
    files = [f for f in (work / "store/wandb").rglob("*") if f.is_file()]
    took = sum(f.stat().st_size for f in files)
    log = sum(f.stat().st_size for f in files if f.suffix == ".wandb")
    print(
        f"a shard of {images:,} images: {took / 1e3:,.0f} kB in {len(files)} files, of which the "
        f"run's own {log / 1e3:,.0f} kB, in {summary.timings.seconds:,.0f} s"
    )


def embed(work: Path, *overrides: str) -> Summary:
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        cfg = compose(
            "embed",
            [f"store.root={work}/store", "model=sample", "sharding=x1", *overrides],
        )
    return embed_shards(config.read(cfg, config.EmbedConfig))


if __name__ == "__main__":
    main()
