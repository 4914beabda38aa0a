"""SkyPilot as a backend, as far as that goes without a cloud: tests/e2e/cloud has one."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from clipvec.errors import ConfigError, LaunchError
from clipvec.jobs.backend import State, Status
from clipvec.jobs.plan import Job, Sweep
from clipvec.jobs.record import Record
from clipvec.jobs.skypilot import backend
from clipvec.jobs.skypilot.backend import Sky
from tests.jobs.skypilot.conftest import CLOUD, StandIn, job, sweep
from tests.preloaded import Python


def test_the_gpus_a_job_may_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # no price lists
    gpus = [{"accelerators": {"L4": 1, "K80": 1}}, {"accelerators": "L4:2"}]
    found = Sky().machines(Job(0, (), cloud={"resources": {"any_of": gpus}}, arch="ViT-L-14"))
    assert [(each.label, each.price, each.speed is not None) for each in found] == [
        ("L4", None, True),
        ("K80", None, False),
        ("L4:2", None, True),
    ]


def test_a_server_that_does_not_answer(python: Python, tmp_path: Path) -> None:
    """The real client, and a port without a listener."""
    made = sweep(Job(0, (), (0,), str(tmp_path / "store")))
    record = Record.create(tmp_path / "data/sweeps/embed-1", made)
    record.save_ids({0: "7"}, made.jobs)
    closed = "http://127.0.0.1:9"
    said = python(*("-m", "clipvec.jobs", "wait"), exit_code=1, SKYPILOT_API_SERVER_ENDPOINT=closed)
    assert said.startswith("error: SkyPilot: its API server does not respond; start it with `sky ")
    assert said.count("\n") == 1


def submit(folder: Path, made: Sweep) -> dict[int, str]:
    record = Record.create(folder, made)
    Sky().submit(record, made.jobs, lambda ids: record.save_ids(ids, made.jobs))
    return ids(record)


def ids(record: Record) -> dict[int, str]:
    return {started.job.number: started.id for started in record.started()}


def test_jobs_that_differ_in_shards_are_one_request(
    tmp_path: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "planted")
    made = sweep(job(0, 0), job(1, 1, 2), job(2, 5, model="other"), pool="mine")
    assert submit(tmp_path, made) == {0: "10", 1: "11", 2: "20"}
    first, second = sorted(stand_in.launched, key=lambda kwargs: len(kwargs["name"]), reverse=True)
    assert (first["name"], first["num_jobs"], first["pool"]) == ("clipvec-embed-1-0-2", 2, "mine")
    assert (second["name"], second["num_jobs"]) == ("clipvec-embed-1-5", None)
    assert first["secrets_overrides"] == [("HF_TOKEN", "planted")]
    packed = sorted(file.name for file in Path(first["task"]["workdir"]).iterdir())
    assert packed[1:] == ["install.sh", "lock.txt"]
    assert packed[0].endswith(".whl")
    assert (tmp_path / "task-00001.yaml").is_file()
    assert not any(b"planted" in f.read_bytes() for f in tmp_path.rglob("*") if f.is_file())


def test_the_machines_of_a_pool_start_before_its_jobs(tmp_path: Path, stand_in: StandIn) -> None:
    for pool in (None, "mine"):
        Sky().poll(Record(tmp_path, sweep(job(0, 0), pool=pool)), {0: "7"})
    alone, pooled = (set(asked["fields"]) for asked in stand_in.asked)
    assert alone - pooled == {"submitted_at", "start_at"}


def test_ids_received_before_an_error_are_saved(
    tmp_path: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def launch(task: Any, **kwargs: Any) -> Any:
        if kwargs["name"].endswith("-1"):
            raise RuntimeError("quota")
        return StandIn.launch(stand_in, task, **kwargs)

    monkeypatch.setattr(stand_in.jobs, "launch", launch)
    made = sweep(*(job(number, number, model=f"m{number}") for number in range(3)))
    with pytest.raises(LaunchError, match=r"^SkyPilot: RuntimeError: quota$"):
        submit(tmp_path, made)
    assert sorted(ids(Record.open(tmp_path))) == [0, 2]


def test_an_interrupt_saves_pending_ids_and_starts_nothing_more(
    tmp_path: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "PARALLEL_SUBMISSIONS", 1)
    go_on = threading.Event()
    shutdown = ThreadPoolExecutor.shutdown

    def launch(task: Any, **kwargs: Any) -> Any:
        if stand_in.launched:  # not the first, while which the thread is still being started
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            go_on.wait(60)
        return StandIn.launch(stand_in, task, **kwargs)

    def seen_through(self: Any, *, wait: bool = True, cancel_futures: bool = False) -> None:
        shutdown(self, wait=False, cancel_futures=cancel_futures)
        go_on.set()
        shutdown(self, wait=wait)

    monkeypatch.setattr(stand_in.jobs, "launch", launch)
    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", seen_through)
    made = sweep(*(job(number, number, model=f"m{number}") for number in range(9)))
    with pytest.raises(KeyboardInterrupt):
        submit(tmp_path, made)
    assert ids(Record.open(tmp_path)) == {0: "10", 1: "20"}


def test_a_store_on_the_machine_starts_nothing(tmp_path: Path, stand_in: StandIn) -> None:
    with pytest.raises(ConfigError, match="disappears with its job"):
        submit(tmp_path, sweep(Job(0, (), cloud=CLOUD, folders={"store.root": "data/store"})))
    assert stand_in.launched == []


def test_all_jobs_are_polled_in_one_request(tmp_path: Path, stand_in: StandIn) -> None:
    record = Record.create(tmp_path, sweep(job(0), job(1), job(2)))
    assert Sky().poll(record, {0: "8", 1: "7", 2: "99"}) == {
        0: Status(State.SUCCEEDED),
        1: Status(State.RUNNING, "", 1),
    }
    assert [kwargs["job_ids"] for kwargs in stand_in.asked] == [[7, 8, 99]]
    assert Sky().poll(record, {}) == {}
    Sky().cancel(record, {})
    Sky().cancel(record, {0: "8", 1: "7"})
    assert stand_in.asked[1:] == [{"job_ids": [7, 8]}]


def test_lines_of_a_log(tmp_path: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    def tail_logs(**kwargs: Any) -> Any:
        assert kwargs == {"job_id": 7, "follow": True, "preload_content": False}
        return iter(["one\ntwo\n", "three\n", None, "never\n"])

    monkeypatch.setattr(stand_in.jobs, "tail_logs", tail_logs, raising=False)
    record = Record.create(tmp_path, sweep(job(0)))
    lines = list(Sky().logs(record, 0, "7", follow=True))
    assert lines == ["one\n", "two\n", "three\n"]
