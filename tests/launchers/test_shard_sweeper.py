"""``shards=0-99`` is split into jobs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, RunMode

from clipvec.errors import ConfigError, ShardSpecError
from clipvec.paths import CONF_DIR
from hydra_plugins.clipvec_sky.shard_sweeper import ShardSweeper
from hydra_plugins.clipvec_sky.sweep_launcher import SweepLauncher

Jobs = Callable[..., list[list[str]]]


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    """Return the overrides of the jobs of a command line."""
    GlobalHydra.instance().clear()
    loader = ConfigLoaderImpl(create_config_search_path(str(CONF_DIR)))

    def call(*overrides: str, app: str = "embed", shards_per_job: int | str = 1) -> list[list[str]]:
        given = [*overrides]
        if not any(each.startswith(("launcher=", "experiment=")) for each in overrides):
            given.append("launcher=workers")
        sweeper = ShardSweeper(shards_per_job)
        sweeper.hydra_context = HydraContext(config_loader=loader, callbacks=None)  # type: ignore[arg-type]
        sweeper.config = loader.load_configuration(app, [], RunMode.MULTIRUN)
        sweeper.config.hydra.sweep.dir = str(tmp_path / "sweeps/embed-1")
        return sweeper.jobs(given)

    return call


def specs(found: list[list[str]]) -> list[str]:
    return [job[-1] for job in found]


def test_both_plugins_are_discovered() -> None:
    plugins = Plugins.instance()
    assert ShardSweeper.__name__ in {p.__name__ for p in plugins.discover(Sweeper)}
    assert SweepLauncher.__name__ in {p.__name__ for p in plugins.discover(Launcher)}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("shards=0-99", list(range(100))),
        ("shards=7", [7]),
        ("shards=0-2,20", [0, 1, 2, 20]),
        ("shards=[0-2,20]", [0, 1, 2, 20]),
        ("shards='0-2,20'", [0, 1, 2, 20]),
        ("shards=range(0,100)", list(range(100))),
        ("shards=all", list(range(100))),
        ("sharding=x100", list(range(100))),
        ("sharding=x10", list(range(10))),
    ],
)
def test_every_form_of_shards(jobs: Jobs, given: str, wanted: list[int]) -> None:
    assert specs(jobs(given)) == [f"shards='{shard}'" for shard in wanted]


def test_several_shards_per_job(jobs: Jobs) -> None:
    found = specs(jobs("shards=0-20,40", shards_per_job=10))
    assert found == ["shards='0-9'", "shards='10-19'", "shards='20,40'"]


def test_other_sweeps_multiply(jobs: Jobs) -> None:
    found = jobs("model=vit_b_32,vit_l_14", "shards=0-3", shards_per_job=2)
    assert found == [
        [f"model={model}", "launcher=workers", f"shards='{spec}'"]
        for model in ("vit_b_32", "vit_l_14")
        for spec in ("0-1", "2-3")
    ]


def test_each_sharding_has_its_own_shards(jobs: Jobs) -> None:
    assert specs(jobs("sharding=x1,x10", shards_per_job=5)) == [
        "shards='0'",
        "shards='0-4'",
        "shards='5-9'",
    ]


def test_a_command_without_shards_is_one_job(jobs: Jobs) -> None:
    assert jobs("rebuild=true", app="index") == [["rebuild=true", "launcher=workers"]]


def test_shards_that_do_not_exist(jobs: Jobs) -> None:
    with pytest.raises(ShardSpecError, match=r"names shard 99, but sharding\.count=10"):
        jobs("shards=0-99", "sharding=x10")


@pytest.mark.parametrize("given", [0, -1, "many", 2.5, True])
def test_an_impossible_number_of_shards_per_job(jobs: Jobs, given: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        jobs("shards=0-99", shards_per_job=given)
    assert str(caught.value) == (
        f"hydra.sweeper.shards_per_job={given}: the number of shards of a job, at least 1, or auto"
    )


def test_as_many_shards_per_job_as_pay(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each model has its own: 100 x 10,000 images of SkyPilot's example, on an L4."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))  # no price lists
    given = ["experiment=skypilot_example", "cloud.resources.accelerators={L4: 1}"]
    found = jobs(
        *given, f"store.root={tmp_path}", "model=vit_l_14,vit_bigg_14", shards_per_job="auto"
    )
    models = [next(each for each in job if each.startswith("model=")) for job in found]
    assert models == ["model=vit_l_14"] * 3 + ["model=vit_bigg_14"] * 12
    assert specs(found)[:4] == ["shards='0-33'", "shards='34-66'", "shards='67-99'", "shards='0-8'"]


def test_a_launcher_of_no_jobs_cannot_choose(jobs: Jobs) -> None:
    with pytest.raises(ConfigError) as caught:
        jobs("shards=0-99", "launcher=local", shards_per_job="auto")
    assert str(caught.value) == (
        "hydra.sweeper.shards_per_job=auto: launcher=local starts no jobs; launcher=sky or "
        "launcher=workers does"
    )


def test_a_thousand_jobs_are_planned_in_seconds(jobs: Jobs) -> None:
    began = time.process_time()
    assert len(jobs("shards=0-999", "sharding=x1000")) == 1000
    assert time.process_time() - began < 2
