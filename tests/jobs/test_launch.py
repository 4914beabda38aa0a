"""Only missing shards are started, and none twice."""

from __future__ import annotations

import json
import logging
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from clipvec.config import SkyLauncher, WorkersLauncher
from clipvec.errors import Interrupted, LaunchError, StoreError, SweepError
from clipvec.jobs import launch
from clipvec.jobs.backend import State, Status
from clipvec.jobs.first import Found
from clipvec.jobs.launch import Outcome
from clipvec.jobs.plan import Job, Sweep
from clipvec.jobs.record import Record, folders
from clipvec.store import Store
from tests.jobs.conftest import CANCELLED, DONE, FAILED, RUNNING, Scripted
from tests.stores import StoreFactory, write_shard

Runs = Callable[..., Scripted]
Saved = Callable[[Mapping[int, str]], None]


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the checkout, which may contain a ``.env``."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def store(tmp_path: Path, store_factory: StoreFactory) -> Store:
    """Shard 0 of 4 is committed."""
    return store_factory(tmp_path, {0: [3]}, count=4)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Make sweeps run on a `Scripted` backend."""

    def make(*answers: Mapping[int, Status]) -> Scripted:
        made = Scripted(*answers)
        monkeypatch.setattr(launch, "backend", lambda name: made)
        return made

    return make


def sweep(store: Store, *shards: tuple[int, ...], name: str = "embed-1", **options: Any) -> Sweep:
    jobs = tuple(Job(number, (), group, store.url) for number, group in enumerate(shards))
    return Sweep(name, "clipvec.embed", WorkersLauncher(**options), jobs)


def started(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "ids.jsonl").read_text().splitlines()]


def test_only_what_is_missing_is_started(
    store: Store, runs: Runs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "clipvec")
    backend = runs({1: DONE})
    made = sweep(store, (0,), (0, 1), wait=False)
    assert launch.launch_sweep(made, tmp_path / "s/embed-1") == [
        Outcome(0, State.PENDING, "not waited for"),
        Outcome(1, State.PENDING, "not waited for"),
    ]
    assert [(job.number, job.shards) for job in backend.submitted] == [(1, (1,))]
    assert started(tmp_path / "s/embed-1") == [{"job": 1, "id": "id-1", "shards": [1]}]
    assert caplog.messages == ["sweep embed-1: 1 job to start, 1 of 2 shards already committed"]


def test_nothing_to_start_is_no_sweep_to_come_back_to(
    store: Store, runs: Runs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "clipvec")
    backend = runs({})
    made = sweep(store, (0,), wait=False)
    assert launch.launch_sweep(made, tmp_path / "s/embed-1") == [Outcome(0, State.SUCCEEDED, "")]
    assert caplog.messages == ["sweep embed-1: 0 jobs to start, 1 of 1 shard already committed"]
    assert (backend.submitted, backend.asked, folders(tmp_path / "s")) == ([], [], [])
    Record.create(tmp_path / "s/embed-1", made)
    launch.launch_sweep(made, tmp_path / "s/embed-1")
    assert folders(tmp_path / "s") == [tmp_path / "s/embed-1"], "as when it is resumed"


def test_without_waiting_nothing_is_polled(
    store: Store, runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backend = runs({})
    launch.launch_sweep(sweep(store, (1,), wait=False), tmp_path / "s/embed-1")
    assert backend.asked == []
    assert backend.released == []
    assert capsys.readouterr().out == (
        "started; to see its progress: clipvec jobs status embed-1, "
        "to wait for it: clipvec jobs wait embed-1\n"
    )


def test_shards_of_a_running_sweep_are_waited_for(
    store: Store,
    runs: Runs,
    tmp_path: Path,
    store_factory: StoreFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "clipvec")
    runs({})
    launch.launch_sweep(sweep(store, (1, 2), wait=False), tmp_path / "s/embed-1")
    caplog.clear()

    backend = runs({0: RUNNING}, {0: RUNNING}, {0: DONE})

    def submit(record: Record, jobs: Sequence[Job], saved: Saved) -> None:
        for shard in (1, 2, 3):
            write_shard(store_factory(tmp_path, {}, count=4), shard, [2])
        Scripted.submit(backend, record, jobs, saved)

    backend.submit = submit  # type: ignore[method-assign]
    made = sweep(store, (0, 1), (2, 3), name="embed-2")
    assert launch.launch_sweep(made, tmp_path / "s/embed-2") == [
        Outcome(0, State.SUCCEEDED, ""),
        Outcome(1, State.SUCCEEDED, ""),
    ]
    assert [(job.number, job.shards) for job in backend.submitted] == [(1, (3,))]
    assert caplog.messages[:2] == [
        "sweep embed-2: 1 job to start, 1 of 4 shards already committed",
        "job 0 (shards 1-2) of sweep embed-1 is still working on these shards and is not "
        "started again (launcher.force=true overrides this)",
    ]


@pytest.mark.parametrize("said", [FAILED, CANCELLED, DONE, None])
def test_shards_an_earlier_sweep_gave_up_are_started(
    store: Store, runs: Runs, tmp_path: Path, said: Status | None
) -> None:
    runs({})
    launch.launch_sweep(sweep(store, (1, 2), wait=False), tmp_path / "s/embed-1")
    backend = runs({} if said is None else {0: said})
    launch.launch_sweep(sweep(store, (1,), name="embed-2", wait=False), tmp_path / "s/embed-2")
    assert [job.shards for job in backend.submitted] == [(1,)]


def test_force_starts_committed_and_running_shards(
    store: Store, runs: Runs, tmp_path: Path
) -> None:
    runs({})
    launch.launch_sweep(sweep(store, (1,), wait=False), tmp_path / "s/embed-1")
    backend = runs({0: RUNNING, 1: RUNNING}, {0: FAILED, 1: FAILED})
    made = sweep(store, (0,), (1,), name="embed-2", force=True)
    assert launch.launch_sweep(made, tmp_path / "s/embed-2") == [
        Outcome(0, State.SUCCEEDED, ""),
        Outcome(1, State.FAILED, "shards 1 not committed: exit code 1"),
    ]
    assert [job.shards for job in backend.submitted] == [(0,), (1,)]
    assert backend.asked == [[0, 1], [0, 1]]


def test_resuming_never_forces(store: Store, runs: Runs, tmp_path: Path) -> None:
    runs({0: DONE, 1: FAILED})
    folder = tmp_path / "s/embed-1"
    launch.launch_sweep(sweep(store, (0,), (1,), force=True), folder)
    backend = runs({1: FAILED})
    outcomes = launch.resume(Record.open(folder))
    assert [job.number for job in backend.submitted] == [1]
    with pytest.raises(SweepError, match=r"^1 of 2 jobs failed, job 1: shards 1 not committed: "):
        launch.check(outcomes)


def test_jobs_without_shards_are_started_once(store: Store, runs: Runs, tmp_path: Path) -> None:
    jobs = (Job(0, ("index=chroma",)), Job(1, ("index=chroma_http",)))
    made = Sweep("index-1", "clipvec.index", WorkersLauncher(), jobs)
    folder = tmp_path / "s/index-1"
    runs({0: DONE, 1: RUNNING}, {1: FAILED})
    assert launch.launch_sweep(made, folder) == [
        Outcome(0, State.SUCCEEDED, ""),
        Outcome(1, State.FAILED, "exit code 1"),
    ]
    assert [entry["job"] for entry in started(folder)] == [0, 1]


def test_jobs_that_could_not_be_started_have_failed(runs: Runs, tmp_path: Path) -> None:
    """The first of two jobs was accepted, then the backend became unreachable."""
    jobs = (Job(0, ("rebuild=true",)), Job(1, ("rebuild=false",)))
    made = Sweep("index-1", "clipvec.index", WorkersLauncher(), jobs)
    backend = runs({0: DONE})

    def submit(record: Record, jobs: Sequence[Job], saved: Saved) -> None:
        saved({0: "7"})
        raise LaunchError("gone")

    backend.submit = submit  # type: ignore[method-assign]
    with pytest.raises(LaunchError, match="gone"):
        launch.launch_sweep(made, tmp_path / "s/index-1")
    assert launch.attach(Record.open(tmp_path / "s/index-1")) == [
        Outcome(0, State.SUCCEEDED, ""),
        Outcome(1, State.FAILED, "never started"),
    ]


@pytest.mark.parametrize(
    ("raised", "signum"),
    [(KeyboardInterrupt(), signal.SIGINT), (KeyboardInterrupt(signal.SIGTERM), signal.SIGTERM)],
)
def test_an_interrupt_says_how_to_resume_waiting(
    store: Store, runs: Runs, tmp_path: Path, raised: KeyboardInterrupt, signum: int
) -> None:
    backend = runs({0: RUNNING})

    def poll(record: Record, ids: Mapping[int, str]) -> dict[int, Status]:
        raise raised

    backend.poll = poll  # type: ignore[method-assign]
    with pytest.raises(Interrupted, match=r"to wait again: clipvec jobs wait embed-1") as caught:
        launch.launch_sweep(sweep(store, (1,)), tmp_path / "s/embed-1")
    assert backend.released == []
    assert caught.value.exit_code == 128 + signum


def test_an_interrupt_while_starting_keeps_what_was_started(
    store: Store, runs: Runs, tmp_path: Path
) -> None:
    backend = runs({})

    def submit(record: Record, jobs: Sequence[Job], saved: Saved) -> None:
        saved({0: "7"})
        raise KeyboardInterrupt

    backend.submit = submit  # type: ignore[method-assign]
    with pytest.raises(Interrupted) as caught:
        launch.launch_sweep(sweep(store, (1,), (2,)), tmp_path / "s/embed-1")
    assert str(caught.value) == (
        "stopped; jobs already started keep running; to start the others and wait: "
        "clipvec jobs resume embed-1, to stop them: clipvec jobs cancel embed-1"
    )
    assert [entry["id"] for entry in started(tmp_path / "s/embed-1")] == ["7"]


def test_backends_by_kind(store: Store) -> None:
    assert type(launch.backend(sweep(store))).__name__ == "Workers"
    sky = Sweep("embed-1", "clipvec.embed", SkyLauncher(), ())
    assert type(launch.backend(sky)).__name__ == "Sky"


def test_one_precision_for_all_machines(
    store: Store, runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = runs({})
    monkeypatch.setattr(backend, "precision", lambda job: "fp16")
    new = Job(0, (), (1,), str(tmp_path / "new"), precision="auto")
    begun = Job(1, (), (1,), store.url, precision="auto")
    asked = Job(2, ("model.precision=fp32",), (2,), str(tmp_path / "new"), precision="fp32")
    made = Sweep("embed-1", "clipvec.embed", WorkersLauncher(wait=False), (new, begun, asked))
    launch.launch_sweep(made, tmp_path / "s/embed-1")
    assert [job.overrides for job in backend.submitted] == [
        ("model.precision=fp16",),
        (),  # as the store's fingerprint says
        ("model.precision=fp32",),
    ]


def test_a_backend_that_goes_away_leaves_word_how_to_come_back(
    store: Store, runs: Runs, tmp_path: Path
) -> None:
    backend = runs({0: RUNNING})

    def poll(record: Record, ids: Mapping[int, str]) -> dict[int, Status]:
        raise LaunchError("SkyPilot: its API server does not respond")

    backend.poll = poll  # type: ignore[method-assign]
    with pytest.raises(LaunchError) as caught:
        launch.launch_sweep(sweep(store, (1,)), tmp_path / "s/embed-1")
    assert str(caught.value) == (
        "SkyPilot: its API server does not respond; the jobs keep running; to wait again: "
        "clipvec jobs wait embed-1, to stop them: clipvec jobs cancel embed-1"
    )


def test_resuming_waits_though_the_first_command_did_not(
    store: Store, runs: Runs, tmp_path: Path
) -> None:
    runs({})
    folder = tmp_path / "s/embed-1"
    launch.launch_sweep(sweep(store, (1,), wait=False), folder)
    backend = runs({0: FAILED})
    (outcome,) = launch.resume(Record.open(folder))
    assert outcome.status is State.FAILED
    assert backend.asked == [[0], [0]]


def test_the_first_job_shows_what_the_others_will_take(
    store: Store, runs: Runs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "clipvec")
    timings = {"embedded": 25, "seconds": 2.0}
    done = Status(State.SUCCEEDED, seconds=1200.0)
    backend = runs({1: RUNNING}, dict.fromkeys((1, 2, 3), done))
    began: list[list[int]] = []

    def submit(record: Record, jobs: Sequence[Job], saved: Saved) -> None:
        began.append([job.number for job in jobs])
        if len(began) > 1:
            for shard in (2, 3):
                store.writer(shard).commit(timings)
        Scripted.submit(backend, record, jobs, saved)

    def poll(record: Record, ids: Mapping[int, str]) -> dict[int, Status]:
        if len(backend.asked) == 1:
            store.writer(1).commit(timings)
        return Scripted.poll(backend, record, ids)

    backend.submit, backend.poll = submit, poll  # type: ignore[method-assign]
    made = sweep(store, (0,), (1,), (2,), (3,), first=1)
    outcomes = launch.launch_sweep(made, tmp_path / "s/embed-1")
    assert {outcome.status for outcome in outcomes} == {State.SUCCEEDED}
    assert began == [[1], [2, 3]]
    assert caplog.messages[1] == "job 1 starts first; 2 others when it has written parts"
    assert caplog.messages[2].startswith("forecast for 3 jobs: ")
    assert "(12.5 images/s, " in caplog.messages[2]
    assert caplog.messages[-1].startswith("forecast: ")
    assert "; came out: 1.0 machine hours, " in caplog.messages[-1]
    assert backend.released == ["embed-1"]
    (kept,) = Record.open(tmp_path / "s/embed-1").forecasts()
    assert (kept.forecast.jobs, kept.speed.images_per_s) == (3, 12.5)


def test_the_others_start_though_a_poll_of_the_first_fails(
    store: Store, runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Polls 2 and 3 of the backend fail, then one look at the store."""
    backend = runs({0: RUNNING}, dict.fromkeys((0, 1, 2), DONE))
    look, looks = Found.of.__func__, []  # type: ignore[attr-defined]

    def of(jobs: Sequence[Job]) -> Found:
        looks.append(len(backend.asked))
        if looks.count(4) == 1:
            raise StoreError("s3://bucket/store: Please reduce your request rate.")
        return look(Found, jobs)  # type: ignore[no-any-return]

    def poll(record: Record, ids: Mapping[int, str]) -> dict[int, Status]:
        if len(backend.asked) in {1, 2}:
            backend.asked.append([])
            raise LaunchError("SkyPilot: its API server does not respond")
        if len(backend.asked) == 3:
            store.writer(1).commit({"embedded": 25, "seconds": 2.0})
        return Scripted.poll(backend, record, ids)

    backend.poll = poll  # type: ignore[method-assign]
    monkeypatch.setattr(Found, "of", of)
    made = sweep(store, (1,), (2,), (3,), first=1)
    outcomes = launch.launch_sweep(made, tmp_path / "s/embed-1")
    assert [job.number for job in backend.submitted] == [0, 1, 2]
    assert outcomes[0].status is State.SUCCEEDED


def test_an_interrupt_while_the_first_job_is_alone_says_that_the_others_wait(
    store: Store, runs: Runs, tmp_path: Path
) -> None:
    backend = runs({0: RUNNING})

    def poll(record: Record, ids: Mapping[int, str]) -> dict[int, Status]:
        raise KeyboardInterrupt

    backend.poll = poll  # type: ignore[method-assign]
    with pytest.raises(Interrupted, match="to start the others and wait: clipvec jobs resume emb"):
        launch.launch_sweep(sweep(store, (1,), (2,), first=1), tmp_path / "s/embed-1")


def test_a_first_job_that_fails_starts_no_other(store: Store, runs: Runs, tmp_path: Path) -> None:
    backend = runs({0: RUNNING}, {0: FAILED})
    made = sweep(store, (1,), (2,), (3,), first=1)
    with pytest.raises(SweepError) as caught:
        launch.launch_sweep(made, tmp_path / "s/embed-1")
    assert str(caught.value) == (
        "job 0, started first, ended without a part (exit code 1), and 2 others did not start; "
        "see clipvec jobs logs, then run the same command again"
    )
    assert [job.number for job in backend.submitted] == [0]
    assert backend.released == ["embed-1"]


def test_what_never_started_leaves_nothing_to_come_back_to(
    store: Store, runs: Runs, tmp_path: Path
) -> None:
    backend = runs({})

    def submit(record: Record, jobs: Sequence[Job], saved: Saved) -> None:
        raise LaunchError("SkyPilot is not installed")

    backend.submit = submit  # type: ignore[method-assign]
    with pytest.raises(LaunchError, match=r"^SkyPilot is not installed$"):
        launch.launch_sweep(sweep(store, (1,)), tmp_path / "s/embed-1")
    assert backend.released == ["embed-1"]
