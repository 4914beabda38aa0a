"""Names and ids of runs, and no import of wandb when disabled."""

from __future__ import annotations

import subprocess
import sys

import pytest

from clipvec import tracking
from clipvec.config import TrackingConfig
from clipvec.tracking import RunSpec
from clipvec.tracking.run import NoopRun


def job(shards: str = "", sweep: str = "") -> RunSpec:
    return RunSpec("embed", "embed toys", "store", {}, shards, sweep)


def test_outside_of_sweeps_wandb_chooses_an_id() -> None:
    assert (job("0-9").id, job("0-9").group) == (None, None)


def test_jobs_of_a_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPVEC_SWEEP", "embed-1")
    assert (job("0-9").id, job("0-9").group) == ("embed-1-0-9", "embed-1")
    monkeypatch.setenv("CLIPVEC_RUN", "embed-1-sample-vit_b_32")
    assert (job("0-9").id, job("0-9").group) == ("embed-1-sample-vit_b_32-0-9", "embed-1")


def test_the_run_of_a_sweep_has_the_name_of_the_sweep() -> None:
    assert (job(sweep="embed-1").id, job(sweep="embed-1").group) == ("embed-1", "embed-1")


def test_ids_are_short_and_distinct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPVEC_SWEEP", "embed-1")
    specs = [",".join(map(str, range(first, 1000, 2))) for first in (0, 2)]
    one, two = (str(job(spec).id) for spec in specs)
    assert one != two
    assert max(len(one), len(two)) <= 100
    assert job("3,5").id == "embed-1-3_5"


def test_disabled_does_not_import_wandb() -> None:
    assert isinstance(tracking.start_run(TrackingConfig(mode="disabled"), job()), NoopRun)
    code = (
        "import sys\n"
        "from clipvec import tracking, config\n"
        "disabled = config.TrackingConfig(mode='disabled')\n"
        "with tracking.start_run(disabled, tracking.RunSpec('embed', 'x', 'y', {})) as run:\n"
        "    run.log({}, step=1), run.should_log(), run.finish()\n"
        "print('wandb' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_configuration_has_no_secrets_of_urls() -> None:
    config = {"dataset": {"path": ["https://me:pw@host/a.tar?sig=x"], "limit": 3}}
    spec = RunSpec("embed", "x", "root", config)
    assert spec.config_and_sweep == {"dataset": {"path": ["https://host/a.tar"], "limit": 3}}
