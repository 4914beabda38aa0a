"""SkyPilot as a backend, as far as that goes without a cloud: tests/e2e/cloud has one.

The real SkyPilot is imported in processes and a home of their own.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from clipvec.config import SkyLauncher
from clipvec.errors import ConfigError, LaunchError
from clipvec.jobs.backend import State, Status
from clipvec.jobs.plan import Job, Sweep
from clipvec.jobs.record import Record
from clipvec.jobs.skypilot import backend
from clipvec.jobs.skypilot.backend import Sky, status
from tests.jobs.conftest import Python

CLOUD = {"name": "aws", "resources": {"infra": "aws"}, "secrets": ["HF_TOKEN"]}


def sweep(*jobs: Job, **options: Any) -> Sweep:
    return Sweep("embed-1", "clipvec.embed", SkyLauncher(**options), jobs)


def test_every_status_and_field_of_skypilot_is_known(python: Python) -> None:
    code = (
        "import json, sky.jobs\n"
        "from sky.schemas.api.responses import ManagedJobRecord\n"
        "ended = {s.value: s.is_terminal() for s in sky.jobs.ManagedJobStatus}\n"
        "print(json.dumps([ended, list(ManagedJobRecord.model_fields)]))"
    )
    ended, fields = json.loads(python("-c", code))
    assert {name: state.ended for name, state in backend._STATES.items()} == ended
    assert set(backend._FIELDS + backend._LAUNCHED) <= set(fields)


@pytest.mark.parametrize(
    ("name", "reason", "recoveries", "expected"),
    [
        ("PENDING", None, None, Status(State.PENDING, "queued")),
        ("SUBMITTED", None, 0, Status(State.PENDING, "queued")),
        ("STARTING", None, 0, Status(State.PENDING, "starting a machine")),
        ("RUNNING", None, 1, Status(State.RUNNING, "", 1)),
        ("WINDING_DOWN", None, 0, Status(State.RUNNING)),
        ("RECOVERING", None, 2, Status(State.RECOVERING, "", 2)),
        ("CANCELLING", None, 0, Status(State.RUNNING, "cancelling")),
        ("SUCCEEDED", "", 3, Status(State.SUCCEEDED, "", 3)),
        ("CANCELLED", "by user", 0, Status(State.CANCELLED)),
        ("FAILED", None, 0, Status(State.FAILED, "FAILED")),
        ("FAILED_SETUP", " pip\n failed ", 0, Status(State.FAILED, "FAILED_SETUP: pip failed")),
        ("FAILED_PRECHECKS", "x", 0, Status(State.FAILED, "FAILED_PRECHECKS: x")),
        ("FAILED_NO_RESOURCE", "no T4", 0, Status(State.FAILED, "FAILED_NO_RESOURCE: no T4")),
        ("FAILED_CONTROLLER", "x", 0, Status(State.FAILED, "FAILED_CONTROLLER: x")),
    ],
)
def test_status(name: str, reason: str | None, recoveries: int | None, expected: Status) -> None:
    row = {"status": name, "failure_reason": reason, "recovery_count": recoveries}
    assert status(row) == expected
    # SkyPilot's own enumeration, or its value
    assert status(row | {"status": types.SimpleNamespace(value=name)}) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("PENDING", Status(State.PENDING, "Waiting for other jobs to launch")),
        ("STARTING", Status(State.PENDING, "Waiting for other jobs to launch")),
        ("RUNNING", Status(State.RUNNING)),
    ],
)
def test_what_a_job_waits_for(name: str, expected: Status) -> None:
    assert status({"status": name, "details": "Waiting for other\n jobs to launch"}) == expected


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("\x1b[36m(clipvec-embed-1, pid=4711)\x1b[0m encoding on cuda\n", "encoding on cuda\n"),
        ("\x1b[36m(setup pid=12)\x1b[0m \x1b[1;31mno (pid=3)\x1b[0m", "no (pid=3)"),
        ("(worker1, rank=1, pid=9, ip=10.0.0.2) x\n", "x\n"),
        ("shard 7 (of 8): done\n", "shard 7 (of 8): done\n"),
        ("(no pid) stays", "(no pid) stays"),
    ],
)
def test_logs_are_those_of_the_job(line: str, said: str) -> None:
    assert backend.plain(line) == said


def test_a_machine_is_in_use_from_its_start() -> None:
    row = {"status": "RUNNING", "job_duration": 100.0, "submitted_at": 50.0, "start_at": None}
    assert status(row).seconds == 100.0
    assert status(row | {"start_at": 170.0}).seconds == 220.0


def test_the_gpus_a_job_may_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # no price lists
    gpus = [{"accelerators": {"L4": 1, "K80": 1}}, {"accelerators": "L4:2"}]
    found = Sky().machines(Job(0, (), cloud={"resources": {"any_of": gpus}}, arch="ViT-L-14"))
    assert [(each.name, each.price, each.speed is not None) for each in found] == [
        ("L4", None, True),
        ("K80", None, False),
    ]


def test_skypilot_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sky", None)
    with pytest.raises(LaunchError, match=r"^SkyPilot is not installed \(.*\); install it .*'$"):
        Sky().poll(Record(tmp_path, sweep(Job(0, ()))), {0: "1"})


def test_errors_of_skypilot_are_one_line(python: Python) -> None:
    code = """
import sky.exceptions as e
from clipvec.errors import LaunchError
from clipvec.jobs.skypilot.backend import connect
for error in [
    e.NoCloudAccessError("No cloud access is set up.\\nRun: sky check"),
    e.ApiServerConnectionError("http://127.0.0.1:46580"),
    e.ResourcesUnavailableError("Catalog does not contain any instances satisfying T4:64"),
    e.PoolDoesNotExistError("pool mine"),
    ValueError("x" * 1000),
]:
    try:
        with connect():
            raise error
    except LaunchError as said:
        print(said)
"""
    lines = python("-c", code).splitlines()
    assert lines[0] == (
        "SkyPilot: no cloud is enabled; `sky check` shows what each one lacks "
        "(NoCloudAccessError: No cloud access is set up. Run: sky check)"
    )
    assert lines[1].startswith(
        "SkyPilot: its API server does not respond; start it with `sky api start` "
        "(ApiServerConnectionError: Could not connect to SkyPilot API server at http://127.0.0.1"
    )
    assert lines[2] == (
        "SkyPilot: no cloud has these resources; `sky check` and `sky gpus list` list what is "
        "available, and cloud.resources selects it (ResourcesUnavailableError: Catalog does not "
        "contain any instances satisfying T4:64)"
    )
    assert lines[3] == (
        "SkyPilot: launcher.pool does not exist; `sky jobs pool status` lists all pools "
        "(PoolDoesNotExistError: pool mine)"
    )
    assert lines[4] == f"SkyPilot: ValueError: {'x' * 500}"
    assert len(lines) == 5


def test_every_error_with_a_fix_exists(python: Python) -> None:
    code = "import sys, sky.exceptions as e; print(*(n for n in sys.argv[1:] if hasattr(e, n)))"
    assert python("-c", code, *backend._FIXES).split() == list(backend._FIXES)


def test_a_server_that_does_not_answer(python: Python, tmp_path: Path) -> None:
    """The real client, and a port without a listener."""
    made = sweep(Job(0, (), (0,), str(tmp_path / "store")))
    record = Record.create(tmp_path / "data/sweeps/embed-1", made)
    record.save_ids({0: "7"}, made.jobs)
    closed = "http://127.0.0.1:9"
    said = python(*("-m", "clipvec.jobs", "wait"), exit_code=1, SKYPILOT_API_SERVER_ENDPOINT=closed)
    assert said.startswith("error: SkyPilot: its API server does not respond; start it with `sky ")
    assert said.count("\n") == 1


class StandIn(types.ModuleType):
    """SkyPilot's API server, which runs jobs for money or not at all, answered for here."""

    def __init__(self) -> None:
        super().__init__("sky")
        self.launched: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.jobs = types.ModuleType("sky.jobs")
        self.pools: dict[str, Any] = {}
        self.pool = "READY"
        self.jobs.__dict__.update(
            launch=self.launch,
            queue_v2=self.queue,
            cancel=self.cancel,
            pool_status=lambda name: [{"status": self.pool}] if name in self.pools else [],
            pool_apply=lambda task, name, mode: self.pools.update({name: (task, mode)}),
            pool_down=self.pools.pop,
        )
        self.serve = types.ModuleType("sky.serve")
        self.serve.__dict__.update(UpdateMode=types.SimpleNamespace(ROLLING="rolling"))
        self.Task = types.SimpleNamespace(from_yaml_config=lambda task, **kwargs: (task, kwargs))

    def launch(self, task: Any, **kwargs: Any) -> Any:
        self.launched.append({"task": task[0], **task[1], **kwargs})
        first = 10 * len(self.launched)
        return list(range(first, first + (kwargs["num_jobs"] or 1))), None

    def queue(self, **kwargs: Any) -> Any:
        self.asked.append(kwargs)
        rows = [
            {"job_id": 7, "status": "RUNNING", "failure_reason": None, "recovery_count": 1},
            {"job_id": 8, "status": "SUCCEEDED", "failure_reason": None, "recovery_count": 0},
        ]
        return rows, 2, {}, 2

    def cancel(self, **kwargs: Any) -> None:
        self.asked.append(kwargs)

    def get(self, request: Any) -> Any:
        return request


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    sky = StandIn()
    monkeypatch.setitem(sys.modules, "sky", sky)
    monkeypatch.setitem(sys.modules, "sky.jobs", sky.jobs)
    return sky


def job(number: int, *shards: int, model: str = "toy") -> Job:
    return Job(number, (f"model={model}",), shards, f"s3://b/{model}", CLOUD)


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


def test_a_pool_is_made_once_and_taken_down_at_the_end(
    tmp_path: Path,
    stand_in: StandIn,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    made = sweep(job(0, 0), job(1, 1), pool="auto", pool_workers=5)
    record = Record.create(tmp_path, made)
    for one in made.jobs:  # as with launcher.first=1
        Sky().submit(record, [one], lambda ids: record.save_ids(ids, made.jobs))
    ((name, (task, mode)),) = stand_in.pools.items()
    assert (name, mode) == ("clipvec-embed-1", "rolling")
    assert task[0] == yaml.safe_load((tmp_path / "pool.yaml").read_text())
    assert task[0]["pool"] == {"workers": 2}
    assert [launched["pool"] for launched in stand_in.launched] == [name, name]
    (said,) = (line for line in caplog.messages if line.startswith("making a pool of 2 machines"))
    assert said.endswith("clipvec jobs wait embed-1, or sky jobs pool down " + name)

    rows = [{"job_id": 10, "status": "RUNNING"}, {"job_id": 20, "status": "SUCCEEDED"}]
    seen = []

    def queue(**kwargs: Any) -> Any:
        seen.append(list(stand_in.pools))
        rows[0]["status"] = "RUNNING" if len(seen) < 3 else "SUCCEEDED"
        return (rows,)

    monkeypatch.setattr(stand_in.jobs, "queue_v2", queue)
    monkeypatch.setattr(Sky, "poll_seconds", 0)
    Sky().release(record)
    assert seen == [[name]] * 3
    assert stand_in.pools == {}
    Sky().release(record)  # nothing is left to take down


def test_a_pool_that_stays_is_told(
    tmp_path: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = sweep(job(0, 0), pool="auto")
    record = Record.create(tmp_path, made)
    Sky().submit(record, made.jobs, lambda ids: None)

    def pool_down(name: str) -> None:
        raise RuntimeError("no answer")

    monkeypatch.setattr(stand_in.jobs, "pool_down", pool_down)
    with pytest.raises(LaunchError) as raised:
        Sky().release(record)
    assert str(raised.value) == (
        "the pool clipvec-embed-1 still runs, and is paid for; take it down with sky jobs pool "
        "down clipvec-embed-1 (SkyPilot: RuntimeError: no answer)"
    )


def test_a_pool_that_ends_is_not_given_jobs(tmp_path: Path, stand_in: StandIn) -> None:
    made = sweep(job(0, 0), pool="auto")
    record = Record.create(tmp_path, made)
    stand_in.pools["clipvec-embed-1"], stand_in.pool = None, "SHUTTING_DOWN"
    with pytest.raises(LaunchError, match="embed-1 is SHUTTING_DOWN and takes no jobs; run the sa"):
        Sky().submit(record, made.jobs, lambda ids: None)
    assert stand_in.launched == []
    Sky().release(record)  # which did not make it
    assert stand_in.pools == {"clipvec-embed-1": None}


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
