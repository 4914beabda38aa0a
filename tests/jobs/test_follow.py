"""Status, logs and cancelling, of the jobs that do the work, whichever sweep started them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from clipvec.config import WorkersLauncher
from clipvec.errors import ConfigError, LaunchError
from clipvec.jobs import follow, launch
from clipvec.jobs.backend import State, Status
from clipvec.jobs.plan import Job, Sweep
from clipvec.jobs.record import Record
from tests.jobs.conftest import DONE, FAILED, PENDING, RUNNING, Scripted
from tests.stores import StoreFactory


class Cancelling(Scripted):
    """A scripted backend that notes which jobs of which sweep were cancelled."""

    def __init__(self, *answers: Mapping[int, Status]) -> None:
        super().__init__(*answers)
        self.cancelled: dict[str, list[str]] = {}

    def cancel(self, record: Record, ids: Mapping[int, str]) -> None:
        self.cancelled[record.sweep.name] = list(ids.values())


@pytest.fixture
def sweeps(tmp_path: Path, store_factory: StoreFactory) -> tuple[Record, Record]:
    """Two sweeps of shards 1 to 3: the first started jobs for them, so the second started none."""
    store = store_factory(tmp_path, {0: [3]}, count=4).url
    jobs = tuple(Job(n, (), (n + 1,), store) for n in range(3))
    records = []
    for name in ("embed-1", "embed-2"):
        made = Sweep(name, "clipvec.embed", WorkersLauncher(), jobs)
        records.append(Record.create(tmp_path / "sweeps" / name, made))
    records[0].save_ids({0: "70", 1: "71", 2: "72"}, jobs)
    return records[0], records[1]


def on(monkeypatch: pytest.MonkeyPatch, *answers: Mapping[int, Status]) -> Cancelling:
    backend = Cancelling(*answers)
    monkeypatch.setattr(follow, "backend", lambda sweep: backend)
    monkeypatch.setattr(launch, "backend", lambda sweep: backend)
    monkeypatch.setenv("COLUMNS", "100")
    return backend


def test_the_status_of_a_sweep_that_started_nothing(
    sweeps: tuple[Record, Record],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    on(monkeypatch, {0: RUNNING, 1: Status(State.PENDING, "starting"), 2: FAILED})
    follow.print_status(sweeps[1])
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "job  id  shards  state    restarts  detail",
        "  0  70  1       running            job 0 of sweep embed-1",
        "  1  71  2       pending            job 1 of sweep embed-1 starting",
        "  2  -   3       pending            not started",
    ]


def test_jobs_of_another_sweep_are_cancelled(
    sweeps: tuple[Record, Record],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    backend = on(monkeypatch, {0: RUNNING, 1: PENDING, 2: FAILED})
    follow.cancel(sweeps[1], None)
    assert backend.cancelled == {"embed-1": ["70", "71"]}
    assert capsys.readouterr().out == "embed-1: 2 jobs cancelled, for sweep embed-2\n"
    assert backend.released == ["embed-2"]
    follow.cancel(sweeps[1], 1)
    assert backend.cancelled == {"embed-1": ["71"]}
    with pytest.raises(ConfigError, match=r"^--job 2: sweep embed-2 started jobs none$"):
        follow.cancel(sweeps[1], 2)


def test_jobs_of_its_own_are_cancelled(
    sweeps: tuple[Record, Record],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    backend = on(monkeypatch, {0: RUNNING, 1: DONE, 2: FAILED})
    follow.cancel(sweeps[0], None)
    assert backend.cancelled == {"embed-1": ["70"]}
    assert capsys.readouterr().out == "embed-1: 1 job cancelled\n"
    on(monkeypatch, {0: DONE, 1: DONE, 2: FAILED})
    follow.cancel(sweeps[0], None)
    assert capsys.readouterr().out == "embed-1: no job is running; 3 had already ended\n"


def test_logs_of_a_job_that_has_not_begun(
    sweeps: tuple[Record, Record],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    backend = on(monkeypatch, {0: RUNNING, 1: Status(State.PENDING, "starting"), 2: FAILED})
    backend.log = ["working\n"]
    with pytest.raises(LaunchError) as caught:
        follow.print_logs(sweeps[0], 1, follow=False)
    assert str(caught.value) == (
        "job 1 has not begun (starting), so it has no log yet; --follow waits for it, and "
        "clipvec jobs status embed-1 shows its state"
    )
    follow.print_logs(sweeps[0], None, follow=False)
    assert capsys.readouterr().out.splitlines() == [
        *("== job 0", "working"),
        *("== job 1", "job 1 has not begun (starting), so it has no log yet"),
        *("== job 2", "working"),
    ]
    follow.print_logs(sweeps[1], 0, follow=False)
    assert capsys.readouterr().out.splitlines() == ["== job 0 of sweep embed-1", "working"]
