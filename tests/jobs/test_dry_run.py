"""The output of a dry run."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest
import yaml

from clipvec.config import SkyLauncher, WorkersLauncher
from clipvec.errors import ConfigError
from clipvec.jobs.dry_run import dry_run
from clipvec.jobs.plan import Job, Sweep
from clipvec.jobs.skypilot import prices
from clipvec.jobs.skypilot.backend import Sky
from clipvec.jobs.workers.backend import Workers
from tests.stores import StoreFactory

T4 = {"name": "aws", "resources": {"infra": "aws", "accelerators": {"T4": 1}}}
PRICES = {("t4", 1): 0.526, ("l4", 1): 0.8}
ANY = {"name": "aws", "resources": {"infra": "aws", "accelerators": {"T4": 1, "L4": 1, "A10": 1}}}
A10 = {"name": "aws", "resources": {"infra": "aws", "accelerators": {"A10": 1}}}


@pytest.fixture
def sky(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A stand-in for SkyPilot that accepts every task; the real one reads them in test_tasks.py."""
    sky = types.ModuleType("sky")
    sky.Task = types.SimpleNamespace(from_yaml_config=lambda task, **kwargs: None)
    sky.jobs = types.ModuleType("sky.jobs")
    sky.serve = types.SimpleNamespace(validate_service_task=lambda task, pool: None)
    monkeypatch.setitem(sys.modules, "sky", sky)
    monkeypatch.setitem(sys.modules, "sky.jobs", sky.jobs)
    return sky


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Prices of two machines; the lists themselves are in test_prices.py."""
    asked: list[Any] = []

    def by_gpu(cloud: Any) -> dict[tuple[str, int], float]:
        asked.append(cloud)
        return PRICES if cloud in (T4, ANY) else {}

    monkeypatch.setattr(prices, "by_gpu", by_gpu)
    return asked


def test_only_what_is_missing_is_shown_and_written(
    tmp_path: Path,
    store_factory: StoreFactory,
    asked: list[Any],
    sky: types.ModuleType,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = store_factory(tmp_path, {1: [3]}, count=8).url
    jobs = (
        Job(0, ("model=toy",), (0, 1), store, T4, {"store.root": str(tmp_path)}, images=25_000),
        Job(1, ("model=toy",), (1,), store, T4),
        Job(2, ("model=toy",), (2, 3), store, T4),
        Job(3, ("model=toy", "batch_size=8"), (4, 5, 7), store, A10),
    )
    folder = tmp_path / "embed-1"
    with pytest.raises(ConfigError) as caught:
        dry_run(Sweep("embed-1", "clipvec.embed", SkyLauncher(), jobs), Sky(), folder)
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith(f"missing: store.root={tmp_path} is a folder on a cloud machine")
    assert str(caught.value) == "the sweep would not start: 1 reason, above"
    assert lines == [
        "embed-1: 3 jobs",
        "job  shards  images   $/h  machine   ",
        "  0  0       12,500  0.53  aws, T4:1 ",
        "  2  2-3          -  0.53  aws, T4:1 ",
        "  3  4-5,7        -     -  aws, A10:1",
        f"sky jobs launch --num-jobs 2 {folder}/task-00000.yaml",
        f"sky jobs launch {folder}/task-00001.yaml",
        "not all prices are known; `sky gpus list` shows those that SkyPilot finds",
    ]
    assert asked == [T4, A10]
    run = yaml.safe_load((folder / "task-00000.yaml").read_text())["run"]
    assert run.splitlines()[1] == "shards=(0 2-3)"


def test_equal_jobs_are_one_row(
    tmp_path: Path, asked: list[Any], sky: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(tmp_path / "store")
    jobs = [Job(n, (), (2 * n, 2 * n + 1), store, T4, images=20_000) for n in range(49)]
    jobs.append(Job(49, (), (98,), store, T4, images=10_000))
    sweep = Sweep("embed-1", "clipvec.embed", SkyLauncher(), tuple(jobs))
    dry_run(sweep, Sky(), tmp_path / "embed-1")
    assert capsys.readouterr().out.splitlines()[:4] == [
        "embed-1: 50 jobs",
        " job  shards              images   $/h  machine  ",
        "0-48  0-97 (2 each)  20,000 each  0.53  aws, T4:1",
        "  49  98                  10,000  0.53  aws, T4:1",
    ]


def test_a_pool_comes_before_its_jobs_and_goes_after_them(
    tmp_path: Path, asked: list[Any], sky: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = tuple(Job(n, (), (n,), str(tmp_path / "store"), T4) for n in range(3))
    folder, launcher = tmp_path / "embed-1", SkyLauncher(pool="auto", pool_workers=2)
    dry_run(Sweep("embed-1", "clipvec.embed", launcher, jobs), Sky(), folder)
    assert capsys.readouterr().out.splitlines()[-3:] == [
        f"sky jobs pool apply --pool clipvec-embed-1 {folder}/pool.yaml",
        f"sky jobs launch --pool clipvec-embed-1 --num-jobs 3 {folder}/task-00000.yaml",
        "sky jobs pool down clipvec-embed-1",
    ]
    assert yaml.safe_load((folder / "pool.yaml").read_text())["pool"] == {"workers": 2}


def test_gpus_are_ranked_by_the_price_of_a_million_images(
    tmp_path: Path, asked: list[Any], sky: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(tmp_path / "toys/bigg")
    known = [Job(n, (), (n,), store, ANY, images=10_000, arch="ViT-bigG-14") for n in range(100)]
    unknown = Job(100, ("model=vit_l_14",), (0,), str(tmp_path / "toys/l"), ANY, arch="ViT-L-14")
    sweep = Sweep("embed-1", "clipvec.embed", SkyLauncher(), (*known, unknown))
    dry_run(sweep, Sky(), tmp_path / "embed-1")
    lines = capsys.readouterr().out.splitlines()
    assert lines[4].split()[:3] == ["store", "GPU", "images/s"]
    assert [line.split() for line in lines[5:9]] == [
        ["toys/bigg", "L4", "47", "0.80", "4.74", "13.67", "65%"],
        ["toys/bigg", "T4", "22", "0.53", "6.61", "12.48", "47%"],
        ["toys/l", "L4", "252", "0.80", "0.88", "-", "-"],
        ["toys/l", "T4", "119", "0.53", "1.23", "-", "-"],
    ]
    assert lines[9].startswith("forecast for 100 jobs on T4: 23.7 machine hours, $12.48, 47% of")
    assert "; hydra.sweeper.shards_per_job=auto: 11 jobs, 13.8 machine hours, $7.25, " in lines[9]
    assert lines[10].endswith("about how many there are: dataset.num_images=N")


def test_one_store_needs_no_name(
    tmp_path: Path, asked: list[Any], sky: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = (Job(0, (), (0,), str(tmp_path / "store"), T4, images=10_000, arch="ViT-bigG-14"),)
    dry_run(Sweep("embed-1", "clipvec.embed", SkyLauncher(), jobs), Sky(), tmp_path / "embed-1")
    assert capsys.readouterr().out.splitlines()[3:6] == [
        "GPU  images/s   $/h  $/million images  $ in all  of it starting",
        "T4         22  0.53              6.61      0.12             47%",
        "forecast for 1 job on T4: 0.24 machine hours, $0.12, 47% of it starting "
        "(22.1 images/s, 6 min 42 s from start to image: public figures)",
    ]


def test_what_skypilot_itself_refuses(
    tmp_path: Path, sky: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(task: Any, **kwargs: Any) -> None:
        raise ValueError("Invalid infra: mars")

    sky.Task = types.SimpleNamespace(from_yaml_config=refuse)
    sweep = Sweep("index-1", "clipvec.index", SkyLauncher(), (Job(0, (), cloud=T4),))
    with pytest.raises(ConfigError, match=r"^the sweep would not start: 1 reason, above$"):
        dry_run(sweep, Sky(), tmp_path / "index-1")
    assert capsys.readouterr().out.startswith("missing: SkyPilot: ValueError: Invalid infra: mars")


def test_nothing_is_missing(
    tmp_path: Path, store_factory: StoreFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    store = store_factory(tmp_path, {0: [3]}).url
    sweep = Sweep("embed-1", "clipvec.embed", SkyLauncher(), (Job(0, (), (0,), store, T4),))
    dry_run(sweep, Sky(), tmp_path / "embed-1")
    assert capsys.readouterr().out.splitlines()[0] == "embed-1: 0 jobs"
    assert not (tmp_path / "embed-1").exists()


def test_a_store_that_cannot_be_read_hides_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "store.json").write_text("[]")
    jobs = (Job(0, (), (0,), str(tmp_path)), Job(1, ("rebuild=true",)))
    sweep = Sweep("embed-1", "clipvec.embed", WorkersLauncher(), jobs)
    with pytest.raises(ConfigError, match=r"^the sweep would not start: 1 reason, above$"):
        dry_run(sweep, Workers(), tmp_path / "embed-1")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("missing: the committed shards are not known: ")
    assert [line.split()[:2] for line in lines[1:]] == [
        ["embed-1:", "2"],
        ["job", "shards"],
        ["0", "0"],
        ["1", "-"],
    ]


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (1, ["job 0 starts first; 3 others when it has written parts"]),
        (2, ["jobs 0-1 start first; 2 others when they have written parts"]),
        (0, []),
        (4, []),
    ],
)
def test_the_jobs_that_start_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], first: int, said: list[str]
) -> None:
    jobs = tuple(Job(n, (), (n,), str(tmp_path / "store")) for n in range(4))
    sweep = Sweep("embed-1", "clipvec.embed", WorkersLauncher(first=first), jobs)
    dry_run(sweep, Workers(), tmp_path / "embed-1")
    assert [line for line in capsys.readouterr().out.splitlines() if " first; " in line] == said
