"""What tracking=offline costs embed, and how much disk space a run takes.

    python -m benchmarks.tracking_ratio [--rounds 3] [--images 10000]

The ratio: the bundled images with the sample model, disabled, offline, disabled in each round, in
this process, from the first read to the end of the run; in wall time, and in CPU time of this
process and wandb's, which other load on the machine affects less. The size: one shard of JPEGs
embedded by the same model, tracked with the defaults.
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
        seconds(work, "offline")  # warms caches, imports wandb
        wall_ratios, cpu_ratios = [], []
        for _ in range(options.rounds):
            before, offline, after = (
                seconds(work, mode) for mode in ("disabled", "offline", "disabled")
            )
            wall, cpu = (2 * o / (b + a) for b, o, a in zip(before, offline, after, strict=True))
            wall_ratios.append(wall)
            cpu_ratios.append(cpu)
            print(f"wall time {wall:.3f}, CPU time {cpu:.3f}", flush=True)
        print(
            f"median ratio in wall time {statistics.median(wall_ratios):.3f}, in CPU time "
            f"{statistics.median(cpu_ratios):.3f}; load average {os.getloadavg()[0]:.1f}",
            flush=True,
        )
        size(work, options.images)


def seconds(work: Path, mode: str) -> tuple[float, float]:
    """Return the wall and CPU seconds that the bundled images take."""
    shutil.rmtree(work / "store", ignore_errors=True)
    started, used = time.perf_counter(), _cpu_seconds()
    embed(work, f"tracking={mode}")
    return time.perf_counter() - started, _cpu_seconds() - used


def _cpu_seconds() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def size(work: Path, images: int) -> None:
    """Print how much disk space the run of one shard takes."""
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
