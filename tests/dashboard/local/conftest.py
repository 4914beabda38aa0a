"""A small store with the real runs of a sweep of several jobs beside it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from PIL import Image

from clipvec import config, tracking
from clipvec.config import DashboardConfig, TrackingConfig
from clipvec.paths import CONF_DIR
from clipvec.tracking import ImageCell, LineChart, RunSpec, Table, artifacts
from tests.stores import StoreFactory

# A user-defined group contains several sweeps.
OFFLINE = TrackingConfig(mode="offline", group="birds")
HOSTILE = "</script><img src=x onerror=alert(1)>"


def asked(root: Path, *overrides: str) -> DashboardConfig:
    """Return the configuration of ``clipvec dashboard --local``."""
    where = ["local=true", f"store.root={root}", f"page={root}/page.html"]
    names = ["dataset.name=toys", "model.name=toy"]
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        cfg = compose("dashboard", [*where, *names, *overrides])
    return config.read(cfg, DashboardConfig)


def embed(root: Path, number: int) -> None:
    """Write the run of one job; 1 and 2 fail, and the shards of 2 were committed by another job."""
    jpeg = io.BytesIO()
    Image.new("RGB", (32, 24), "green").save(jpeg, "JPEG")
    shards = ["0", "1,2", "3"][number]
    about = {"dataset": {"name": "toys"}, "model": {"name": "toy"}, "shards": shards}
    run = tracking.start_run(OFFLINE, RunSpec("embed", "x", str(root), about, str(number)))
    for step in range(10, 51, 10):
        values = {"images": step, "images_per_s": 10 * (number + 1) + step / 10}
        values |= {"share/encode": 0.8, "share/read": 0.2, "rejects/NotAnImage": step / 10}
        run.log(values, step=step)
    cells = [[ImageCell(jpeg.getvalue(), HOSTILE), "7"]]
    run.log_table("sample_images", Table(["image", "id"], cells))
    run.log_artifact(artifacts.store(f"{root}/toys/toy", "toys--toy", {"dim": 16}))
    run.finish(3 if number else 0)


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory, store_factory: StoreFactory) -> Path:
    """The root of a store with a sweep, an index and a recall report."""
    root = tmp_path_factory.mktemp("swept")
    store_factory(root, {0: [30], 1: [30], 3: [30]}, count=4)
    with pytest.MonkeyPatch.context() as patch:
        for sweep in ("embed-0", "embed-1"):
            patch.setenv("CLIPVEC_SWEEP", sweep)
            for number in range(3 if sweep == "embed-1" else 1):
                embed(root, number)
        patch.delenv("CLIPVEC_SWEEP")
        job = RunSpec("sweep", "x", str(root), {}, sweep="embed-1")
        with tracking.start_run(OFFLINE, job) as run:
            for step in (0, 60, 120):
                states = {"sweep/jobs/running": 3 - step / 60, "sweep/jobs/done": step / 60}
                values = {"sweep/committed": step / 40, "sweep/images": step} | states
                run.log(values, step=step)
            columns = ["job", "shards", "seconds"]
            run.log_table("jobs", Table(columns, [[0, "0", 12.5], [1, "1", 7.25]]))
            run.update_summary({"sweep/committed": 3, "sweep/cost_usd": 1.234})
        with tracking.start_run(OFFLINE, RunSpec("index", "x", str(root), {})) as run:
            run.use_artifact(artifacts.store(f"{root}/toys/toy", "toys--toy", {"dim": 16}))
            run.log({"rows": 90, "rows_per_s": 1234, "memory_bytes": 5e8}, step=90)
            run.update_summary({"verified": "90 of 90 rows found", "rows_per_s": 1234.5})
        with tracking.start_run(OFFLINE, RunSpec("recall", "x", str(root), {})) as run:
            run.use_artifact(artifacts.store(f"{root}/toys/toy", "toys--toy", {"dim": 16}))
            points = {"flat": [(1.0, 90.0)], "hnsw": [(0.8, 900.0), (0.9, 700.0)]}
            run.log_chart("pareto/text@10", LineChart("Pareto", "recall", points))
            run.update_summary(
                {"recommendation/text/all": {"index": "hnsw", "recall": 0.97, "qps": 700}}
            )
    return root
