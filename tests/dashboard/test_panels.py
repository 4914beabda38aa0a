"""Panels show keys that runs log; and panels of other packages."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from clipvec import config, paths, projection, tracking
from clipvec.config import TrackingConfig, WorkersLauncher
from clipvec.dashboard.panels import SECTIONS, Section
from clipvec.embed.run import embed_shards
from clipvec.evaluate import report as evaluations
from clipvec.index.build import build_index
from clipvec.jobs import launch
from clipvec.jobs.plan import Job, Sweep
from clipvec.recall import report as reports
from clipvec.tracking import RecordedRun, RunSpec, read_runs
from tests.e2e.test_tracking import two_tars
from tests.evaluate.made import evaluation
from tests.jobs.conftest import DONE, Scripted
from tests.reports import report

ELSEWHERE = {"sweep/cost_usd", "system/gpu.0.gpu"}
"""Keys logged only by runs on a cloud or on a GPU."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> list[RecordedRun]:
    """A run of each kind, written by the real code."""
    root = tmp_path_factory.mktemp("logged")
    options = [*two_tars(root), "model=local", f"model.pretrained=local-dir:{tiny_weights}"]
    options += ["tracking=offline", "tracking.log_interval_s=1e-9", f"store.root={root}/store"]
    with initialize_config_dir(str(paths.CONF_DIR), version_base="1.3"):
        embed = config.read(compose("embed", [*options, "batch_size=8"]), config.EmbedConfig)
        options += [f"index.path={root}/index"]
        index = config.read(compose("index", options), config.IndexCommandConfig)
    embed_shards(embed)
    build_index(index, projection.log_projection)

    offline = TrackingConfig(mode="offline", log_interval_s=1e-9)
    store = paths.store_dir(f"{root}/store", "webdataset", "local")
    job = Job(0, (), (0, 1), store, folders={"store.root": f"{root}/store"}, generation=0)
    launcher = WorkersLauncher(force=True)
    sweep = Sweep("embed-1", "clipvec.embed", launcher, (job,), offline, time.time())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "backend", lambda _: Scripted({0: DONE}))
        launch.launch_sweep(sweep, root / "sweeps/embed-1")

    files = paths.ReportPaths(root)
    for file in (files.page, files.data):
        file.write_text("")
    with tracking.start_run(offline, RunSpec("recall", "x", f"{root}/store", {})) as run:
        reports.track(run, report(), files.page, "toys--toy")
    spec = RunSpec("evaluate", "x", f"{root}/store", {})
    with tracking.start_run(offline, spec) as run:
        evaluations.track(run, evaluation(), files.page, "toys--toy")
    return read_runs(f"{root}/store")


def has(run: RecordedRun, key: str) -> bool:
    """Return whether a run has a value, metric, page or table with a key."""
    value = run.summary
    for part in [key] if key.endswith("/") else key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    logged = {name for point in run.history for name in point}
    matches = [name.startswith(key) if key.endswith("/") else name == key for name in logged]
    return value is not None or any(matches) or bool(run.table(key))


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.title)
def test_every_key_of_a_panel_is_logged(section: Section, runs: list[RecordedRun]) -> None:
    (run,) = [run for run in runs if run.job_type == section.job_type]
    keys = {key for panel in section.panels for key in panel.keys} - ELSEWHERE
    assert {key for key in keys if not has(run, key)} == set()


def test_the_index_logs_its_own_keys(runs: list[RecordedRun]) -> None:
    (run,) = [run for run in runs if run.job_type == "index"]
    assert {key for key in run.summary if not key.startswith("_")} == {
        *("rows", "rows_per_s", "verified", "loaded", "reused", "replaced", "dropped", "deleted"),
        *("memory_bytes", "projection"),
    }
