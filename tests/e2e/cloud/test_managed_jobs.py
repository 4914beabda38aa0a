"""Sweeps as SkyPilot managed jobs, from the command line to the store."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

from tests.e2e.cloud.conftest import Clipvec, Cloud
from tests.waiting import until

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(900)]

Call = Callable[..., str]
SKY = ["-m", "launcher=sky", "cloud=slurm"]
SAMPLE = ["model=sample", "dataset=sample"]
_OURS = "clipvec."
TOKEN = "hf_planted0123456789abcdefghijklmnop"


def committed(store: Path) -> list[int]:
    return sorted(int(mark.parent.name[-5:]) for mark in store.glob("*/*/shard-*/done.json"))


def started(folder: Path) -> dict[str, list[list[int]]]:
    """Return the shards of each started job by sweep, oldest first."""
    files = sorted((folder / "data/sweeps").glob("*/ids.jsonl"))
    return {
        file.parent.name: [json.loads(line)["shards"] for line in file.read_text().splitlines()]
        for file in files
    }


def command_lines_of_clipvec() -> Iterator[str]:
    """Yield the processes of its commands and jobs, and their descendants.

    SkyPilot's own are left out: it passes a job's script, secrets included, to a Slurm node as an
    argument of ssh (see docs/cloud.md).
    """
    there = {p.pid: p.info for p in psutil.process_iter(["ppid", "cmdline"])}

    def ours(pid: int | None) -> bool:
        """Tell whether a process, or one that it descends from, is of a command."""
        if pid not in there:
            return False
        words = there[pid]["cmdline"] or []
        return (words[1:2] == ["-m"] and _OURS in "".join(words[2:3])) or ours(there[pid]["ppid"])

    for pid, process in there.items():
        if ours(pid):
            yield "\0".join(process["cmdline"] or [])


def files_with(token: str, *folders: Path) -> list[Path]:
    files = [f for folder in folders for f in folder.rglob("*") if f.is_file()]
    return [file for file in files if token.encode() in file.read_bytes()]


def test_a_failed_shard_is_started_again_and_a_secret_is_hidden(
    cloud: Cloud, start: Clipvec, run: Call, tmp_path: Path
) -> None:
    images, store = tmp_path / "images", tmp_path / "store"
    images.mkdir()
    for number in range(8):
        Image.new("RGB", (80, 60), (30 * number, 90, 10)).save(images / f"{number}.png")
    (images / "5.png").write_bytes(b"not an image")
    sweep = [*SKY, "model=sample", "dataset=folder", f"dataset.path={images}"]
    sweep += ["sharding.count=8", f"store.root={store}", "hydra.sweeper.shards_per_job=4"]
    process = start("embed", *sweep, "max_reject_fraction=0", HF_TOKEN=TOKEN)
    seen = []
    while process.poll() is None:
        seen += command_lines_of_clipvec()
        time.sleep(0.5)
    output, _ = process.communicate()
    assert process.returncode == 1, output
    assert "Traceback" not in output, output
    assert any("launcher=local" in line for line in seen), "no job was seen"
    assert [line for line in seen if TOKEN in line] == []
    assert committed(store) == [0, 1, 2, 3, 4, 6, 7]
    assert "job 1 (shards 4-7) failed: FAILED" in output
    assert "1 of 1 images of shard 5 were rejected" in output
    (name,) = started(tmp_path)
    assert started(tmp_path)[name] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert f"full log: clipvec jobs logs {name} --job 1" in output
    assert "error: 1 of 2 jobs failed, job 1: shards 5 not committed: FAILED" in output

    status = run("jobs", "status")
    assert re.search(r"0 +\d+ +0-3 +done", status)
    assert re.search(r"1 +\d+ +4-7 +failed +FAILED", status), "it was not started again"
    until(lambda: "4 shards: " in run("jobs", "logs", "--job", "0"), 60, pause=2)
    assert TOKEN not in output + status + run("jobs", "logs")
    assert files_with(TOKEN, tmp_path, cloud.folder / "log", cloud.folder / "home") == []
    # The job received it through SkyPilot's database, below its home.
    assert files_with(TOKEN, cloud.folder / "sky-home" / ".sky")


@pytest.mark.usefixtures("bare")
def test_a_preempted_job_recovers_and_its_store_is_identical(
    cloud: Cloud, start: Clipvec, run: Call, tmp_path: Path
) -> None:
    """On machines where it makes its environment, twice: what is left of the first is of no use."""
    # the precision of jobs without a GPU; this machine's own choice may be another
    slowly = [*SAMPLE, "model.precision=fp32", "sharding=x1", "batch_size=4", "part_rows=4"]
    store, calm = tmp_path / "store", tmp_path / "calm"
    process = start("embed", *SKY, *slowly, f"store.root={store}")
    shard = store / "sample/sample/shard-00000"
    until(lambda: len(list(shard.glob("part-*.parquet"))) >= 3, by=process)
    (allocation,) = cloud.slurm("squeue -h -o %A").split()
    cloud.slurm(f"scancel {allocation}")
    until(lambda: allocation not in cloud.slurm("squeue -h -o %A").split(), pause=1)
    before = len(list(shard.glob("part-*.parquet")))
    assert not (shard / "done.json").exists()
    output, _ = process.communicate(timeout=400)
    assert process.returncode == 0, output
    assert "recovering" in output
    assert re.search(r"0 +\d+ +0 +done +1", run("jobs", "status"))
    # SkyPilot fetches the log of a finished job with a delay.
    until(lambda: f"resuming after {before} parts" in run("jobs", "logs"), 60, pause=2)

    run("embed", *slowly, f"store.root={calm}")
    parts = {f.name: f.read_bytes() for f in (calm / "sample/sample/shard-00000").glob("*.parquet")}
    assert {f.name: f.read_bytes() for f in shard.glob("*.parquet")} == parts


def test_cancelled(cloud: Cloud, run: Call, tmp_path: Path) -> None:
    images, store = tmp_path / "images", tmp_path / "store"
    images.mkdir()
    for number in range(4000):  # more than it can finish before it is cancelled
        Image.new("RGB", (64, 64), (number % 256, number // 256, 9)).save(images / f"{number}.png")
    sweep = [*SKY, "model=sample", "dataset=folder", f"dataset.path={images}", "sharding=x1"]
    sweep += ["batch_size=1", "part_rows=1", f"store.root={store}"]
    run("embed", *sweep, "launcher.wait=false")
    until(lambda: list(store.glob("*/*/shard-00000/part-*.parquet")))
    assert ": 1 job cancelled" in run("jobs", "cancel")
    output = run("jobs", "wait", exit_code=1)
    assert "job 0 (shard 0): cancelled" in output
    assert "error: 1 of 1 job failed, job 0: shards 0 not committed: cancelled" in output
    until(lambda: not cloud.slurm("squeue -h").strip(), 60, pause=1)
    assert committed(store) == []


def test_an_index_is_built_and_measured_by_jobs(run: Call, sample: Path, tmp_path: Path) -> None:
    store, index = sample / "data/store", tmp_path / "index"
    build = [*SKY, *SAMPLE, "sharding=x10", f"store.root={store}", f"index.path={index}"]
    build += ["cloud.resources.memory=1+"]  # more than which the machine may not have
    output = run("index", *build, "launcher.wait=false")
    name = re.search(r"to wait for it: clipvec jobs wait (\S+)", output)
    assert name is not None
    again = run("index", *build, "launcher.wait=false")
    assert f"job 0 of sweep {name[1]} is still working on" in again
    run("jobs", "wait", name[1])
    found = run("search", "a frog", f"index.path={index}", "--json")
    assert len(json.loads(found)) == 10

    # Its recall, measured by a job.
    report = tmp_path / "report"
    quick = ["systems=quick", "measure=quick", "measure.time_budget_s=1", "queries.texts=60"]
    output = run("recall", *build, *quick, f"report_dir={report}", f"work_dir={tmp_path}/work")
    assert "1 job: 1 done" in output
    assert (report / "report.html").is_file()
