"""The forecasts of a sweep, kept in its folder."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clipvec.config import SkyLauncher, WorkersLauncher
from clipvec.errors import ConfigError, MissingPackageError
from clipvec.jobs import sweep_forecast
from clipvec.jobs.backend import Machine, Speed, State, Status
from clipvec.jobs.forecast import MEASURED, Forecast, StoreForecast
from clipvec.jobs.plan import Job, Sweep
from clipvec.jobs.progress import StoreProgress
from clipvec.jobs.record import Record
from clipvec.jobs.sweep_forecast import Outlook
from clipvec.jobs.workers.backend import Workers
from clipvec.store import Store
from tests.jobs.conftest import FAILED
from tests.stores import StoreFactory


class Rented(Workers):
    """Workers on a machine with a price and public figures."""

    def machines(self, job: Job) -> list[Machine]:
        return [Machine("T4", 2.0, Speed(10.0, 60.0))] if job.arch else []


@pytest.fixture
def store(tmp_path: Path, store_factory: StoreFactory) -> Store:
    """Two shards that were embedded at 2 images/s."""
    store = store_factory(tmp_path, {}, count=4)
    for shard in (0, 1):
        store.writer(shard).commit({"embedded": 3600, "seconds": 1800.0, "hardware": "Tesla T4"})
    return store


def jobs(url: str, *shards: tuple[int, ...], **values: Any) -> list[Job]:
    return [
        Job(number, (), group, url, **{"images": 3600, "arch": "ViT-L-14", **values})
        for number, group in enumerate(shards)
    ]


def record(folder: Path, planned: list[Job], launcher: Any = None) -> Record:
    sweep = Sweep(folder.name, "clipvec.embed", launcher or WorkersLauncher(), tuple(planned))
    made = Record.create(folder, sweep)
    made.save_ids({job.number: str(job.number) for job in planned}, planned)
    return made


def outlook(planned: list[Job], root: Path) -> Outlook:
    (found,) = Outlook.of(planned, WorkersLauncher(), Rented(), StoreProgress(planned), root)
    return found


def test_before_a_sweep(tmp_path: Path) -> None:
    url = str(tmp_path / "store")
    known = outlook(jobs(url, (0,), (1,)), tmp_path)
    assert known.line() == (
        "forecast for 2 jobs on T4: 0.23 machine hours, $0.47, 14% of it starting "
        "(10.0 images/s, 60 s from start to image: public figures)"
    )
    assert known.forecast() == StoreForecast(
        url,
        Forecast(2, pytest.approx(840 / 3600), pytest.approx(1 / 7), pytest.approx(1680 / 3600)),
        Speed(10.0, 60.0),
    )
    dark = outlook(jobs(url, (0,), images=None), tmp_path)
    assert dark.line() == (
        "no forecast: the number of images is not known; about how many there are: "
        "dataset.num_images=N"
    )
    unknown = outlook(jobs(url, (0,), arch=""), tmp_path)
    assert (unknown.line(), unknown.forecast(), dark.forecast()) == (None, None, None)


def test_an_index_whose_package_only_jobs_have(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object) -> str:
        raise MissingPackageError("index=faiss needs the package faiss")

    planned = [Job(number, ("index=faiss", "model=sample"), (number,)) for number in (0, 1)]
    for name in ("forecast_of_sweep", "unwritten_by_sweep"):
        monkeypatch.setattr(sweep_forecast, name, absent)
    said = "index=faiss needs the package faiss"
    assert sweep_forecast.of_indexes(planned) == [f"no forecast: {said}"]
    assert sweep_forecast.unwritten_indexes(planned) == [
        f"whether the index is written is not known: {said}"
    ]


def test_each_store_has_a_forecast(tmp_path: Path) -> None:
    planned = [*jobs("/a", (0,), (1,)), *jobs("/b", (0,)), Job(9, ("rebuild=true",))]
    found = Outlook.of(planned, WorkersLauncher(), Rented(), StoreProgress(()), tmp_path)
    assert [len(each.jobs) for each in found] == [2, 1]


def test_the_latest_sweep_of_the_store_says_how_long_starting_takes(
    tmp_path: Path, store: Store
) -> None:
    sweeps = tmp_path / "sweeps"
    planned = jobs(store.url, (2,))
    before = Forecast(1, 1.0, 0.1, None)
    for name, url, source, starting, launcher in [
        ("embed-1", store.url, MEASURED, 11.0, None),
        ("embed-2", store.url, MEASURED, 22.0, None),
        ("embed-3", store.url, "public figures", 33.0, None),
        ("embed-4", "/other", MEASURED, 44.0, None),
        ("embed-5", store.url, MEASURED, 55.0, SkyLauncher()),
    ]:
        made = record(sweeps / name, planned, launcher)
        made.save_forecasts([StoreForecast(url, before, Speed(9.0, starting, source))])
    (machine,) = outlook(planned, sweeps).machines
    assert machine == Machine("T4", 2.0, Speed(2.0, 22.0, MEASURED))


def test_what_came_out(tmp_path: Path, store: Store) -> None:
    """Half an hour each was forecast for embedding 3,600 images, and a tenth more was needed."""
    planned = jobs(store.url, (0,), (1,))
    made = record(tmp_path / "sweeps/embed-1", planned)
    made.save_forecasts([StoreForecast(store.url, Forecast(2, 1.0, 0.1, 2.0), Speed(2.0, 180.0))])
    ended = [Status(State.SUCCEEDED, seconds=seconds) for seconds in (1980.0, 1980.0)]
    progress = StoreProgress(planned)
    lines = sweep_forecast.compare(made, made.started(), ended, progress)
    assert lines == [
        "forecast: 1.0 machine hours, $2.00, 10% of it starting; came out: 1.1 machine hours, "
        "$2.20, 9% of it starting (+10%; 2.0 images/s, 3 min 0 s from start to image: measured)"
    ]
    (kept,) = made.forecasts()
    assert (kept.speed, kept.forecast.jobs) == (Speed(2.0, 180.0, MEASURED), 2)
    assert kept.forecast.hours == pytest.approx(1.1)


def test_what_came_out_on_two_gpus(tmp_path: Path, store: Store) -> None:
    """Two processes embedded for half an hour each, at the same time."""
    planned = jobs(store.url, (0, 1))
    made = record(tmp_path / "sweeps/embed-1", planned)
    speed = Speed(2.0, 180.0, gpus=2.0)
    made.save_forecasts([StoreForecast(store.url, Forecast(1, 0.55, 0.1, 2.2), speed)])
    ended = [Status(State.SUCCEEDED, seconds=1980.0)]
    sweep_forecast.compare(made, made.started(), ended, StoreProgress(planned))
    (kept,) = made.forecasts()
    assert kept.speed == Speed(2.0, 180.0, MEASURED, 2.0)


@pytest.mark.parametrize("why", ["failed", "restarted", "more jobs", "elsewhere", "pool"])
def test_what_cannot_be_compared(tmp_path: Path, store: Store, why: str) -> None:
    planned = jobs(store.url, (0,), (1,))
    launcher = SkyLauncher(pool="auto") if why == "pool" else None
    made = record(tmp_path / "sweeps/embed-1", planned, launcher)
    count = 3 if why == "more jobs" else 2
    url = "/other" if why == "elsewhere" else store.url
    kept = StoreForecast(url, Forecast(count, 1.0, 0.1, 2.0), Speed(2.0, 180.0))
    made.save_forecasts([kept])
    if why == "restarted":
        made.save_ids({1: "8"}, planned)
    done = Status(State.SUCCEEDED, seconds=1980.0)
    ended = [done, FAILED if why == "failed" else done]
    progress = StoreProgress(planned)
    assert sweep_forecast.compare(made, made.started(), ended, progress) == []
    assert made.forecasts() == [kept]


def test_the_first_job_replaces_the_forecast(tmp_path: Path, store: Store) -> None:
    planned = jobs(store.url, (2,), (3,))
    made = record(tmp_path / "sweeps/embed-1", planned)
    other = StoreForecast("/other", Forecast(1, 1.0, 0.1, 2.0), Speed(2.0, 180.0))
    public = outlook(planned, tmp_path / "sweeps").forecast()
    assert public is not None
    made.save_forecasts([public, other])
    speed = Speed(4.0, 100.0, MEASURED)
    said = sweep_forecast.measured_first(made, speed, planned, Rented(), StoreProgress(planned))
    assert said == (
        "forecast for 2 jobs: 0.56 machine hours, 10% of it starting "
        "(4.0 images/s, 100 s from start to image: measured)"
    )
    assert [each.speed for each in made.forecasts()] == [other.speed, speed]
    dark = [replace(job, images=None, store=str(tmp_path / "new")) for job in planned]
    said = sweep_forecast.measured_first(made, speed, dark, Rented(), StoreProgress(dark))
    assert said == (
        "4.0 images/s, 100 s from start to image: measured; no forecast: "
        f"{sweep_forecast.UNKNOWN_IMAGES}"
    )


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (b"}", b"", "is damaged ("),
        (b"images_per_s", b"images", "is damaged (its checksum is another"),
        (b'n": 1', b'n": 9', "has schema 9, this clipvec reads schema 1; update clipvec, or "),
    ],
)
def test_a_damaged_file_is_no_forecast(
    tmp_path: Path, store: Store, before: bytes, after: bytes, said: str
) -> None:
    planned = jobs(store.url, (2,))
    made = record(tmp_path / "embed-1", planned)
    assert made.forecasts() == []
    given = StoreForecast(store.url, Forecast(1, 1.0, 0.1, None), Speed(9.0, 20.0, MEASURED))
    made.save_forecasts([given])
    assert made.forecasts() == [given]
    file = made.paths.forecast
    file.write_bytes(file.read_bytes().replace(before, after))
    with pytest.raises(ConfigError) as told:
        outlook(planned, tmp_path)
    assert str(told.value).startswith(f"{file} {said}")
    assert "; remove it: " in str(told.value) or "or remove it: " in str(told.value)
    file.unlink()
    assert outlook(planned, tmp_path).machine is not None


def test_the_price_of_an_hour_is_that_of_the_latest_sweep(
    tmp_path: Path, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    url, root, t4 = store.url, tmp_path / "sweeps", "Tesla T4"
    assert sweep_forecast.price_per_hour(store, t4, root) is None
    speed = Speed(10.0, 60.0, gpus=4)
    for number, dollars in enumerate((None, 6.0, 3.0, None)):
        made = record(root / f"embed-{number}", jobs(url, (0,)))
        os.utime(made.paths.sweep, (number, number))
        made.save_forecasts([StoreForecast(url, Forecast(1, 2.0, 0.1, dollars), speed)])
    elsewhere = record(root / "embed-4", jobs("nowhere://bucket/x", (0,)))
    forecast = Forecast(1, 2.0, 0.1, 8.0)
    elsewhere.save_forecasts([StoreForecast("nowhere://bucket/x", forecast, speed)])
    record(root / "embed-5", jobs(url, (0,))).paths.sweep.write_text("{")
    assert sweep_forecast.price_per_hour(store, t4, root) == 1.5 / 4
    (said,) = caplog.messages
    assert said.startswith(f"passed over: {root}/embed-5/")
    assert sweep_forecast.price_per_hour(store, "L4", root) is None
    store.writer(2).commit({"embedded": 3600, "seconds": 9.0, "hardware": "L4"})
    both = record(root / "embed-6", jobs(url, (1, 2)))
    both.save_forecasts([StoreForecast(url, forecast, speed)])
    assert sweep_forecast.price_per_hour(store, t4, root) == 1.5 / 4  # it had both
