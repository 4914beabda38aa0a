"""How long writing the local dashboard of a sweep takes.

    python -m benchmarks.dashboard_page [--jobs 100] [--points 60]

Generates a synthetic store with one shard per job, and a wandb run for each: curves and a table of
images, like those of embedding jobs. The page is then written three times. CPU time is also given,
since other load on the machine affects it less.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import time
from pathlib import Path
from typing import TypeVar

import numpy as np
from hydra import compose, initialize_config_dir
from PIL import Image

from clipvec import config, tracking
from clipvec.config import TrackingConfig
from clipvec.dashboard import local
from clipvec.embed.run import embed_shards
from clipvec.embed.timings import STAGES
from clipvec.paths import CONF_DIR
from clipvec.tracking import SWEEP_VARIABLE, ImageCell, RunSpec, Table

T = TypeVar("T")
ROWS = 1000
"""Images per shard."""
SIDE = 256
"""Side of an image, in pixels."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--points", type=int, default=60)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        embed_shards(
            read(
                "embed",
                config.EmbedConfig,
                "experiment=synthetic",
                f"dataset.rows={args.jobs * ROWS}",
                f"sharding.count={args.jobs}",
                f"store.root={root}",
            )
        )
        began = time.perf_counter()
        os.environ[SWEEP_VARIABLE] = "embed-1"
        for number in range(args.jobs):
            job(root, number, args.points)
        spent = time.perf_counter() - began
        files = [f for f in (root / "wandb").rglob("*") if f.is_file()]
        size = sum(f.stat().st_size for f in files)
        print(f"{args.jobs} runs written in {spent:.0f} s, {size / 1e6:.1f} MB", flush=True)
        settings = read(
            *("dashboard", config.DashboardConfig, "local=true", f"store.root={root}"),
            *("model=synthetic", "dataset=synthetic", f"page={root}/page.html"),
        )
        for _ in range(3):
            began, used = time.perf_counter(), time.process_time()
            summary = local.write(settings)
            spent, used = time.perf_counter() - began, time.process_time() - used
            kb = summary.page.stat().st_size / 1e3
            print(
                f"{summary.runs} runs: {spent:.1f} s, {used:.1f} s of CPU, {kb:,.0f} kB",
                flush=True,
            )
    print(f"load average {os.getloadavg()[0]:.1f}")


def read(app: str, schema: type[T], *overrides: str) -> T:
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        return config.read(compose(app, list(overrides)), schema)


def job(root: Path, number: int, points: int) -> None:
    """Write one job's run."""
    random = np.random.default_rng(number)
    about = {"dataset": {"name": "synthetic"}, "model": {"name": "synthetic"}}
    spec = RunSpec("embed", "x", str(root), about, str(number))
    with tracking.start_run(TrackingConfig(mode="offline"), spec) as run:
        for point in range(1, points + 1):
            shares = random.dirichlet([1, 4, 20, 1])
            values = {f"share/{s}": float(x) for s, x in zip(STAGES, shares, strict=True)}
            values |= {"images": point * ROWS / points, "images_per_s": random.normal(1000, 50)}
            values |= {"batch_fill": 0.99, "bytes_read": point * 1e6, "cpu_cores": random.random()}
            run.log(values, step=round(values["images"]))
        run.log_table(
            "sample_images", Table(["image", "id"], [[image(random), str(i)] for i in range(24)])
        )


def image(random: np.random.Generator) -> ImageCell:
    buffer = io.BytesIO()
    noise = random.integers(0, 255, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((SIDE, SIDE)).save(buffer, "JPEG")
    return ImageCell(buffer.getvalue(), "an image")


if __name__ == "__main__":
    main()
