"""All GPUs of a machine: pretended ones, since what is split is told by the environment."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from clipvec.jobs.skypilot import each_gpu

EACH_GPU = [sys.executable, "-m", "clipvec.jobs.skypilot.each_gpu"]


def gpus(*names: str) -> dict[str, str]:
    """Return the environment of a process that was given GPUs, and shows which it sees."""
    shown = {"CUDA_VISIBLE_DEVICES": ",".join(names), "SHOWN": "CUDA_VISIBLE_DEVICES"}
    return os.environ | shown | {"PYTHONSAFEPATH": "1"}


def run(program: str, job: str, shards: str, *names: str) -> tuple[int, list[str]]:
    """Run a job on GPUs; return its exit code and lines, those of a process in their order."""
    done = subprocess.run(
        [*EACH_GPU, "-m", program, job, "decode_threads=2", f"shards='{shards}'"],
        env=gpus(*names),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, sorted(done.stdout.splitlines())


def test_each_gpu_has_shards_of_its_own(program: str) -> None:
    code, lines = run(program, "job-0", "0-9,20", "0", "2", "3")
    assert code == 0
    said = [re.sub("attempt [0-9]", "attempt", line) for line in lines if "attempt" in line]
    assert said == [
        "GPU 0: attempt CUDA_VISIBLE_DEVICES=0 decode_threads=2 shards='0-3'",
        "GPU 2: attempt CUDA_VISIBLE_DEVICES=2 decode_threads=2 shards='4-7'",
        "GPU 3: attempt CUDA_VISIBLE_DEVICES=3 decode_threads=2 shards='8-9,20'",
    ]
    assert [line for line in lines if line.endswith("started")] == [
        "GPU 0, shards='0-3': started",
        "GPU 2, shards='4-7': started",
        "GPU 3, shards='8-9,20': started",
    ]


def test_no_process_is_without_a_shard(program: str) -> None:
    _, lines = run(program, "job-0", "5-6", "0", "1", "2", "3")
    assert [line.partition(":")[0] for line in lines] == [
        *("GPU 0, shards='5'", "GPU 0", "GPU 1, shards='6'", "GPU 1")
    ]


@pytest.mark.parametrize("names", [(), ("3",)])
def test_one_gpu_or_none_is_the_command_itself(program: str, names: tuple[str, ...]) -> None:
    assert run(program, "job-0", "0-9", *names) == (
        0,
        [f"attempt 0 CUDA_VISIBLE_DEVICES={''.join(names)} decode_threads=2 shards='0-9'"],
    )


@pytest.mark.parametrize(
    ("steps", "code"), [("0-3-0", 3), ("4-1-0", 4), ("0-143-1", 143), ("0-kill-0", 137)]
)
def test_the_worst_exit_code_counts_and_the_others_go_on(
    tmp_path: Path, steps: str, code: int
) -> None:
    """Each shard has an exit code of its own, after which there is a file of it."""
    (tmp_path / "by_shard.py").write_text(
        "import os, pathlib, signal, sys\n"
        "_, *steps = sys.argv[1].split('-')\n"
        'shard = int(sys.argv[-1].split("\'")[1])\n'
        "pathlib.Path(str(shard)).touch()\n"
        "print('the reason', shard, flush=True)\n"
        "os.kill(os.getpid(), 9) if steps[shard] == 'kill' else sys.exit(int(steps[shard]))\n"
    )
    done = subprocess.run(
        [*EACH_GPU, "-m", "by_shard", f"job-{steps}", "shards='0-2'"],
        env=gpus("0", "1", "2") | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert all((tmp_path / str(shard)).exists() for shard in range(3))
    failed = [line for line in done.stdout.splitlines() if "ended with" in line]
    assert len(failed) == sum(step != "0" for step in steps.split("-"))
    (worst,) = (line for line in failed if f"exit code {code}" in line)
    shard = worst[4]
    assert worst == f"GPU {shard}, shards='{shard}' ended with exit code {code}: the reason {shard}"


def test_sigterm_reaches_every_process(program: str) -> None:
    process = subprocess.Popen(
        [*EACH_GPU, "-m", program, "job-wait", "shards='0-1'"],
        env=gpus("0", "1"),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    seen = [process.stdout.readline() for _ in range(4)]  # both have begun to wait
    assert sum("attempt" in line for line in seen) == 2
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 143
    assert output.count("ended with exit code 143") == 2


def test_processes_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 48)
    assert each_gpu.split(["python", "model=x", "shards='0-7'"], 4) == [
        ["python", "model=x", "decode_threads=12", f"shards='{own}'"]
        for own in ("0-1", "2-3", "4-5", "6-7")
    ]
    for given in ("decode_threads=3", "++decode_threads=3"):
        ours = ["python", given, "shards='7'"]
        assert each_gpu.split(ours, 4) == [ours]


class Child:
    """A process of which the signals are counted."""

    started: ClassVar[list[Child]] = []

    def __init__(self, gpu: str, command: list[str]) -> None:
        if gpu == "broken":
            raise OSError("no memory")
        self.gpu, self.told, self.waited = gpu, list[int](), False
        self.started.append(self)
        if gpu == "0":
            signal.raise_signal(signal.SIGTERM)

    def tell(self, signum: int) -> None:
        self.told.append(signum)

    def wait(self) -> int:
        self.waited = True
        return 0


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Child]]:
    """The children that are started, while the first of which is, this process gets SIGTERM."""
    monkeypatch.setattr(each_gpu, "_Process", Child)
    monkeypatch.setattr(Child, "started", [])
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield Child.started
    for number, handler in before.items():
        signal.signal(number, handler)


def test_sigterm_while_processes_are_started_reaches_all(children: list[Child]) -> None:
    each_gpu._started(["0", "1", "2"], [["a"], ["b"], ["c"]])
    assert [child.told for child in children] == [[signal.SIGTERM]] * 3
    signal.raise_signal(signal.SIGINT)
    assert [child.told for child in children] == [[signal.SIGTERM, signal.SIGINT]] * 3


def test_none_goes_on_where_one_cannot_be_started(children: list[Child]) -> None:
    with pytest.raises(OSError, match="no memory"):
        each_gpu._started(["1", "2", "broken"], [["a"], ["b"], ["c"]])
    assert [(child.told, child.waited) for child in children] == [([signal.SIGTERM], True)] * 2


def test_fewer_gpus_than_were_given(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One has failed, say: the command sees the other alone, and does not refuse to use one."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("SKYPILOT_NUM_GPUS_PER_NODE", "2")
    monkeypatch.setattr(each_gpu.machine, "gpus", lambda: ["0"])
    monkeypatch.setattr(each_gpu.sys, "argv", ["each_gpu", "-m", "x", "shards='0-1'"])
    seen: list[dict[str, str]] = []
    monkeypatch.setattr(each_gpu.os, "execve", lambda *given: seen.append(given[2]) or sys.exit(0))
    with pytest.raises(SystemExit):
        each_gpu.main()
    assert [environment["CUDA_VISIBLE_DEVICES"] for environment in seen] == ["0"]
    assert capsys.readouterr().out == (
        "SKYPILOT_NUM_GPUS_PER_NODE=2, but nvidia-smi -L lists 1: the others are not used\n"
    )


def test_gpus_that_are_hidden_stay_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("SKYPILOT_NUM_GPUS_PER_NODE", "2")
    assert each_gpu.given() == []


def test_gpus_that_the_machine_merely_has_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("SKYPILOT_NUM_GPUS_PER_NODE", raising=False)
    monkeypatch.setattr(each_gpu.machine, "gpus", lambda: ["0", "1", "2", "3"])
    assert each_gpu.given() == []
    monkeypatch.setenv("SKYPILOT_NUM_GPUS_PER_NODE", "2")
    assert each_gpu.given() == ["0", "1"]
    monkeypatch.setattr(each_gpu.machine, "gpus", list)
    assert each_gpu.given() == ["0", "1"], "whose processes say what is wrong with them"
