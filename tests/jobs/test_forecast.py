"""What jobs take and cost, from how fast they start and embed."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipvec.config import SkyLauncher
from clipvec.jobs import forecast
from clipvec.jobs.backend import Machine, Speed
from clipvec.jobs.forecast import MEASURED, Forecast
from clipvec.jobs.plan import Job
from clipvec.jobs.progress import StoreProgress
from clipvec.store import Store
from tests.jobs.conftest import Scripted
from tests.stores import StoreFactory

T4 = Machine("T4", 0.526, Speed(500.0, 180.0))
L4 = Machine("L4", 0.8, Speed(900.0, 180.0))


def jobs(count: int, images: int | None = 10_000, store: str = "/s") -> list[Job]:
    return [Job(number, (), (number,), store, images=images) for number in range(count)]


@pytest.mark.parametrize(
    ("speed", "count", "price", "said"),
    [
        (
            Speed(500.0, 180.0),
            *(100, 0.526),
            "forecast for 100 jobs on T4: 5.6 machine hours, $2.92, 90% of it starting; "
            "hydra.sweeper.shards_per_job=auto: 2 jobs, 0.66 machine hours, $0.34, 15% of it "
            "starting (500.0 images/s, 3 min 0 s from start to image: public figures)",
        ),
        (
            Speed(10.0, 60.0, MEASURED),
            *(2, None),
            "forecast for 2 jobs on T4: 0.59 machine hours, 6% of it starting "
            "(10.0 images/s, 60 s from start to image: measured)",
        ),
    ],
)
def test_a_line_for_the_jobs_of_a_store(
    speed: Speed, count: int, price: float | None, said: str
) -> None:
    machine = Machine("T4", price, speed)
    planned = jobs(count)
    assert forecast.summary(planned, count * 10_000, machine, [machine], SkyLauncher()) == said


@pytest.mark.parametrize(("pool", "starting"), [(None, 500.0), ("auto", 40.0), ("mine", 0.0)])
def test_a_pool_starts_its_machines_once(pool: str | None, starting: float) -> None:
    """100 jobs embed 1,000 minutes in all, and a start takes 5."""
    launcher = SkyLauncher(pool=pool, pool_workers=8)
    machine = Machine("T4", 0.6, Speed(10.0, 300.0))
    found = Forecast.of(100, 600_000, machine.speed, machine.price, launcher)  # type: ignore[arg-type]
    assert found.hours == pytest.approx((1000 + starting) / 60)
    assert found.starting == pytest.approx(starting / (1000 + starting))
    said = forecast.summary(jobs(100), 600_000, machine, [machine], launcher)
    assert ("shards_per_job=auto" in said) is (pool is None), "it would save a pool nothing"
    count, _ = forecast.number_of_jobs(jobs(100), 600_000, [machine], launcher)
    assert count == (50 if pool is None else 100)


@pytest.mark.parametrize(
    ("images", "count"), [(10_000, 2), (100_000, 25), (1_000_000, 100), (100, 1), (1, 1)]
)
def test_starting_takes_a_fifth_at_most(images: int, count: int) -> None:
    """Four times 180 s of work are 360,000 images, which one job has at least, if it can."""
    speed = Speed(500.0, 180.0)
    machine, sky = Machine("T4", None, speed), SkyLauncher()
    assert forecast.number_of_jobs(jobs(100), 100 * images, [machine], sky) == (count, machine)
    share = Forecast.of(count, 100 * images, speed, None, sky).starting
    assert share <= forecast.SHARE or count == 1


@pytest.mark.parametrize(
    ("shards", "gpus", "working"), [(1, 4, 1.0), (4, 4, 4.0), (5, 4, 2.5), (100, 8, 100 / 13)]
)
def test_a_shard_is_on_one_gpu(shards: int, gpus: int, working: float) -> None:
    assert forecast.at_work([Job(0, (), tuple(range(shards)))], gpus) == pytest.approx(working)


def test_jobs_of_which_one_is_almost_done() -> None:
    """Where one has a shard left and nine have four, 37 shards take ten rounds."""
    left = [Job(0, (), (0,)), *(Job(n, (), (0, 1, 2, 3)) for n in range(1, 10))]
    assert forecast.at_work(left, 4) == pytest.approx(3.7)


def test_a_machine_with_four_gpus(tmp_path: Path) -> None:
    """100 jobs of 4 shards take as long as one GPU for a shard; only the machine starts once."""
    planned = [Job(n, (), tuple(range(4 * n, 4 * n + 4)), "/s", images=40_000) for n in range(100)]
    four = Machine("T4", 3.912, Speed(500.0, 180.0), 4)
    (machine,) = forecast.machines(planned, Priced(four), StoreProgress(()), None)
    assert machine.speed == Speed(500.0, 180.0, gpus=4.0)
    assert forecast.summary(planned, 4_000_000, machine, [machine], SkyLauncher()) == (
        "forecast for 100 jobs on T4:4: 5.6 machine hours, $21.73, 90% of it starting; "
        "hydra.sweeper.shards_per_job=auto: 2 jobs, 0.66 machine hours, $2.56, 15% of it starting "
        "(500.0 images/s on each of 4 GPUs, 3 min 0 s from start to image: public figures)"
    )


def test_the_fastest_machine_decides_how_large_jobs_are() -> None:
    """Which one they get is not known; the L4 is done sooner, and starts no faster."""
    unknown = Machine("A10", 0.1, None)
    found = forecast.number_of_jobs(jobs(100), 1_000_000, [T4, L4, unknown], SkyLauncher())
    assert found == (100 // 65, L4)


def test_the_likely_machine_is_the_cheapest_or_else_the_fastest() -> None:
    unpriced = [Machine(each.name, None, each.speed) for each in (T4, L4)]
    unknown = Machine("A10", 0.1, None)
    assert forecast.likely([L4, T4, unknown]) == T4
    assert forecast.likely([*unpriced, unknown]) == unpriced[1]
    assert forecast.likely([unpriced[1], T4]) == T4
    assert forecast.likely([unknown]) is None


class Priced(Scripted):
    """A backend that knows some machines."""

    def __init__(self, *machines: Machine) -> None:
        super().__init__({})
        self.known = list(machines)

    def machines(self, job: Job) -> list[Machine]:
        return self.known


@pytest.fixture
def store(tmp_path: Path, store_factory: StoreFactory) -> Store:
    """Shard 0 was embedded on a T4 with 40 images/s, shard 1 by who knows what."""
    store = store_factory(tmp_path, {}, count=4)
    store.writer(0).commit({"embedded": 400, "seconds": 10.0, "hardware": "Tesla T4"})
    store.writer(1).commit({"embedded": 900, "seconds": 1.0})
    return store


def test_measured_figures_replace_public_ones(store: Store) -> None:
    (job,) = jobs(1, store=store.url)
    runs, progress = Priced(T4, L4, Machine("T400", None, None)), StoreProgress([job])
    t4, l4, t400 = forecast.machines([job], runs, progress, None)
    assert t4 == Machine("T4", 0.526, Speed(40.0, 180.0, "images/s measured"))
    assert (l4, t400.speed) == (L4, None)
    t4, l4, _ = forecast.machines([job], runs, progress, Speed(7.0, 90.0, MEASURED))
    assert t4.speed == Speed(40.0, 90.0, MEASURED)
    assert l4.speed == Speed(900.0, 90.0, "start measured")


@pytest.mark.parametrize("timings", [{"seconds": "x"}, {"seconds": 0}, {"seconds": None}])
def test_timings_that_are_none_are_not_measured(
    tmp_path: Path, store_factory: StoreFactory, timings: dict[str, object]
) -> None:
    store = store_factory(tmp_path, {}, count=2)
    store.writer(0).commit({"embedded": 5, "hardware": "Tesla T4", **timings})
    (job,) = jobs(1, store=store.url)
    assert StoreProgress([job]).rates(job) == {}


def test_the_only_machine_is_the_one_that_was_measured(tmp_path: Path) -> None:
    (job,) = jobs(1, store=str(tmp_path))
    runs = Priced(Machine("AMD EPYC", None, None))
    measured = Speed(7.0, 90.0, MEASURED)
    (machine,) = forecast.machines([job], runs, StoreProgress([job]), measured)
    assert machine.speed == measured


@pytest.mark.parametrize(
    ("hardware", "machine", "rate"),
    [
        ("NVIDIA A100-SXM4-80GB", "A100-80GB", 5.0),
        ("NVIDIA A10G", "A10G", 5.0),
        ("NVIDIA A10G", "A10", None),
        ("NVIDIA L40S", "L4", None),
        ("AMD EPYC 7B13", "AMD EPYC 7B13", 5.0),
    ],
)
def test_names_of_hardware(hardware: str, machine: str, rate: float | None) -> None:
    assert forecast._rate(machine, {hardware: 5.0}) == rate


def test_images_where_only_committed_shards_tell(
    tmp_path: Path, store_factory: StoreFactory
) -> None:
    store = store_factory(tmp_path, {0: [3], 1: [4, 2]}, count=4)
    unknown = jobs(4, None, store.url)
    progress = StoreProgress(unknown)
    assert forecast.images_of(unknown, progress) == 18
    assert forecast.images_of(jobs(4, 10, store.url), progress) == 40
    assert forecast.images_of(jobs(4, 0, store.url), progress) == 1, "fewer images than shards"
    elsewhere = jobs(4, None, str(tmp_path / "none"))
    assert forecast.images_of(elsewhere, StoreProgress(elsewhere)) is None
