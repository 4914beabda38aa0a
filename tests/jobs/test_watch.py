"""What is shown of a sweep while it runs."""

from __future__ import annotations

import io
import logging
import re
import types
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console

from clipvec.config import WorkersLauncher
from clipvec.errors import LaunchError
from clipvec.jobs import watch
from clipvec.jobs.backend import State, Status
from clipvec.jobs.plan import Job, Sweep
from clipvec.jobs.progress import StoreProgress
from clipvec.jobs.record import Record, SubmittedJob
from tests.jobs.conftest import CANCELLED, DONE, FAILED, PENDING, RUNNING, Scripted
from tests.stores import StoreFactory, write_shard

RECOVERING = Status(State.RECOVERING, "", 2)


def started(folder: Path, *jobs: Job, force: bool = False) -> list[SubmittedJob]:
    sweep = Sweep("embed-1", "clipvec.embed", WorkersLauncher(force=force), jobs)
    record = Record.create(folder, sweep)
    record.save_ids({job.number: f"{70 + job.number}" for job in jobs}, jobs)
    return record.started()


def lines(table: object) -> list[str]:
    """Return the output on a terminal of 100 columns, without colours."""
    console = Console(force_terminal=True, width=100, file=io.StringIO())
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in plain(console.file.getvalue()).splitlines()]


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_a_row_for_each_job() -> None:
    rows = [
        (Job(0, (), tuple(range(10)), "/s"), "17", RECOVERING),
        (Job(1, (), (10, 12), "/s"), "18", FAILED),
        (Job(12, ("rebuild=true",)), "", PENDING),
    ]
    assert lines(watch.table(rows)) == [
        "job  id  shards  state       restarts  detail",
        "  0  17  0-9     recovering         2",
        "  1  18  10,12   failed                exit code 1",
        " 12  -   -       pending",
    ]


def test_brackets_in_a_reason_are_no_markup() -> None:
    status = Status(State.FAILED, "FAILED_SETUP: [red] pip[s3]")
    assert lines(watch.table([(Job(0, ()), "1", status)]))[1].endswith(
        "FAILED_SETUP: [red] pip[s3]"
    )


def test_jobs_are_called_by_their_shards() -> None:
    assert watch.describe(Job(3, (), tuple(range(30, 40)), "/s")) == "job 3 (shards 30-39)"
    assert watch.describe(Job(3, (), (7,), "/s")) == "job 3 (shard 7)"
    assert watch.describe(Job(3, ())) == "job 3"


def test_lines_without_a_terminal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "clipvec")
    jobs = started(tmp_path / "embed-1", Job(0, ()), Job(1, ()))
    backend = Scripted(
        {0: PENDING, 1: PENDING},
        {0: RUNNING, 1: PENDING},
        {0: RUNNING, 1: PENDING},
        {0: DONE, 1: RECOVERING},
        {1: CANCELLED},
    )
    assert watch.wait(jobs, backend, StoreProgress([])) == [DONE, CANCELLED]
    assert caplog.messages == [
        "2 jobs: 2 pending",
        "2 jobs: 1 pending, 1 running",
        "job 0: done",
        "2 jobs: 1 recovering, 1 done",
        "job 1: cancelled",
        "2 jobs: 1 done, 1 cancelled",
    ]
    # finished jobs are not polled again
    assert backend.asked == [[0, 1], [0, 1], [0, 1], [0, 1], [1]]


def test_a_failure_shows_the_end_of_its_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backend = Scripted({0: FAILED, 3: Status(State.FAILED)})
    backend.log = [f"line {n}\n" for n in range(7)] + ["\n", "error: no space\n"]
    watch.wait(started(tmp_path / "embed-1", Job(0, ()), Job(3, ())), backend, StoreProgress([]))
    shown = "\n  | line 3\n  | line 4\n  | line 5\n  | line 6\n  | error: no space\n"
    assert caplog.messages == [
        f"job 0 failed: exit code 1{shown}  full log: clipvec jobs logs embed-1 --job 0",
        f"job 3 failed: no reason given{shown}  full log: clipvec jobs logs embed-1 --job 3",
    ]


def test_a_failure_without_a_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    watch.wait(started(tmp_path / "embed-1", Job(0, ())), Scripted({0: FAILED}), StoreProgress([]))
    assert "\n  | (no log: job 0 has not started, so it has no log yet)\n" in caplog.messages[0]


def test_an_unknown_job_has_failed(tmp_path: Path) -> None:
    jobs = started(tmp_path / "embed-1", Job(0, ()))
    (status,) = watch.poll(jobs, Scripted({}), StoreProgress([]))
    assert status.state is State.FAILED
    assert status.detail == "the backend no longer knows this job; was it deleted there?"


def test_the_live_table(
    tmp_path: Path,
    store_factory: StoreFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = store_factory(tmp_path, {0: [3, 4]}, count=4)
    jobs = started(tmp_path / "embed-1", *(Job(n, (), (n,), store.url) for n in range(4)))
    backend = Scripted(
        {0: DONE, 1: PENDING, 2: FAILED, 3: RUNNING}, {1: CANCELLED, 3: Status(State.FAILED, "x")}
    )
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "100")
    watch.wait(jobs, backend, StoreProgress(job.job for job in jobs))
    frame = [line.rstrip() for line in plain(capsys.readouterr().err).splitlines()]
    assert frame[:6] == [
        "job  id  shards  state    restarts  detail",
        "  2  72  2       failed             exit code 1",
        "  3  73  3       running",
        "  1  71  1       pending",
        "",
        "4 jobs: 1 pending, 1 running, 1 done, 1 failed; 1 of 4 shards committed",
    ]


def test_the_live_table_shows_the_first_of_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = started(tmp_path / "embed-1", *(Job(n, ()) for n in range(1000)))
    running = dict.fromkeys(range(1000), RUNNING) | {999: RECOVERING}
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "100")
    watch.wait(jobs, Scripted(running, dict.fromkeys(range(1000), DONE)), StoreProgress([]))
    frame = plain(capsys.readouterr().err).splitlines()
    assert frame[1].split() == ["999", "1069", "-", "recovering", "2"]
    assert frame[watch.SHOWN_JOBS + 1 : watch.SHOWN_JOBS + 3] == [
        "… 980 more",
        "1,000 jobs: 999 running, 1 recovering",
    ]


def test_rate_and_time_left(
    tmp_path: Path,
    store_factory: StoreFactory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "clipvec")
    store = store_factory(tmp_path, {0: [3, 4]}, count=4)
    jobs = started(tmp_path / "embed-1", Job(0, (), (0, 1, 2, 3), store.url))
    clock = iter([100.0, 100.0, 110.0, 120.0])
    mine = types.SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda seconds: None)
    monkeypatch.setattr(watch, "time", mine)

    class Working(Scripted):
        def poll(self, record: Record, ids: object) -> dict[int, Status]:
            answer = super().poll(record, {0: ""})
            if len(self.asked) == 2:
                write_shard(store_factory(tmp_path, {}, count=4), 1, [9])
            if len(self.asked) == 3:
                for shard in (2, 3):
                    write_shard(store_factory(tmp_path, {}, count=4), shard, [3])
            return answer

    watch.wait(jobs, Working({0: RUNNING}), StoreProgress([jobs[0].job]))
    assert caplog.messages == [
        "1 job: 1 running; 1 of 4 shards committed",
        "1 job: 1 running; 2 of 4 shards committed; 16 images, 0.9 images/s, 20 s left",
        "job 0 (shards 0-3): done",
        "1 job: 1 done; 4 of 4 shards committed; 22 images, 0.8 images/s",
    ]


@pytest.mark.parametrize(("force", "answers"), [(False, 1), (True, 3)])
def test_a_forced_job_has_to_end_though_its_shards_are_committed(
    tmp_path: Path, store_factory: StoreFactory, force: bool, answers: int
) -> None:
    store = store_factory(tmp_path, {0: [3]})
    jobs = started(tmp_path / "embed-1", Job(0, (), (0,), store.url), force=force)
    backend = Scripted({0: PENDING}, {0: RUNNING}, {0: FAILED})
    assert watch.wait(jobs, backend, StoreProgress([jobs[0].job])) == [DONE]
    assert len(backend.asked) == answers


class Broken(Scripted):
    """A backend that fails the second to fifth poll."""

    def poll(self, record: Record, ids: Mapping[int, str]) -> dict[int, Status]:
        if 1 <= len(self.asked) < 5:
            self.asked.append([])
            raise LaunchError("SkyPilot: its API server does not respond")
        return super().poll(record, ids)


def test_failed_polls_are_repeated(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "clipvec")
    backend = Broken({0: RUNNING}, {0: DONE})
    jobs = started(tmp_path / "embed-1", Job(0, ()))
    assert watch.wait(jobs, backend, StoreProgress([])) == [DONE]
    assert len(backend.asked) == 6
    assert caplog.messages == [
        "1 job: 1 running",
        "cannot ask now, but the jobs go on: SkyPilot: its API server does not respond",
        "job 0: done",
        "1 job: 1 done",
    ]


def test_waiting_ends_where_nobody_answers_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "PATIENCE", 0.0)
    backend = Broken({0: RUNNING})
    with pytest.raises(LaunchError, match="does not respond"):
        watch.wait(started(tmp_path / "embed-1", Job(0, ())), backend, StoreProgress([]))


def test_few_of_many_failures_show_their_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backend = Scripted(dict.fromkeys(range(1000), FAILED))
    backend.log = ["error: no space\n"]
    jobs = started(tmp_path / "embed-1", *(Job(n, ()) for n in range(1000)))
    watch.wait(jobs, backend, StoreProgress([]))
    assert sum("no space" in message for message in caplog.messages) == watch.SHOWN_LOGS
    assert len([m for m in caplog.messages if "failed: exit code 1" in m]) == 1000
