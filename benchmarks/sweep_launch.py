"""The overhead of a sweep before its first image, on a running local cloud.

    ./scripts/local-cloud start /tmp/cloud
    python benchmarks/sweep_launch.py /tmp/cloud

CPU seconds to plan 100 and 1,000 jobs; time from Enter until all ids are on disk, and requests to
SkyPilot's API server, for 8 and 100 jobs; and the steps of one job, from Enter to its end.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
EMBED = [sys.executable, "-m", "clipvec.embed", "-m", "model=sample", "dataset=sample"]
SKY = ["launcher=sky", "cloud=slurm"]
REQUEST = re.compile(r'"(?:GET|POST) (/[^ ?"]*)')


def environment(cloud: Path) -> dict[str, str]:
    """Return this environment with the exports of ``scripts/local-cloud env`` applied."""
    script = f'eval "$("{ROOT}/scripts/local-cloud" env "{cloud}")"; env -0'
    venv = {"CLIPVEC_VENV": sys.prefix}
    done = subprocess.run(
        ["bash", "-c", script], env=os.environ | venv, capture_output=True, text=True, check=True
    )
    return dict(entry.split("=", 1) for entry in done.stdout.split("\0") if entry)


def requests(cloud: Path, since: int) -> tuple[Counter[str], int]:
    """Return the requests in the API server's log after byte ``since``, and its length now."""
    text = (cloud / "sky-home/.sky/api_server/server.log").read_bytes()
    return Counter(REQUEST.findall(text[since:].decode(errors="replace"))), len(text)


def plan(jobs: int, folder: Path) -> None:
    """Print the CPU time of a command that plans ``jobs`` jobs."""
    sharding = f"sharding.count={jobs}"
    before = os.times()
    arguments = [*EMBED, *SKY, sharding, "launcher.dry_run=true", "store.root=/store"]
    subprocess.run(arguments, cwd=folder, capture_output=True, check=True)
    after = os.times()
    seconds = sum(after[2:4]) - sum(before[2:4])
    print(f"plan {jobs:,} jobs: {seconds:.2f} s of CPU, including Hydra's startup")


def submit(jobs: int, cloud: Path, folder: Path, env: dict[str, str]) -> None:
    """Print how long it takes until the ids of ``jobs`` jobs are on disk; then cancel them."""
    _, since = requests(cloud, 0)
    started = time.time()
    store = f"store.root={folder}/store-{jobs}"
    command = [*EMBED, *SKY, f"sharding.count={jobs}", store, "launcher.wait=false"]
    subprocess.run(command, cwd=folder, env=env, capture_output=True, check=True)
    ids = max((folder / "data/sweeps").glob("*/ids.jsonl"), key=lambda file: file.stat().st_mtime)
    counts, _ = requests(cloud, since)
    listed = ", ".join(f"{n} {path}" for path, n in counts.most_common())
    print(f"submit {jobs} jobs: {ids.stat().st_mtime - started:.1f} s from Enter to all ids saved")
    print(f"  {counts.total()} requests: {listed}")
    jobs_command = [sys.executable, "-m", "clipvec.jobs"]
    subprocess.run([*jobs_command, "cancel"], cwd=folder, env=env, check=True, capture_output=True)
    subprocess.run([*jobs_command, "wait"], cwd=folder, env=env, check=False, capture_output=True)


def parts(cloud: Path, folder: Path, env: dict[str, str]) -> None:
    """Print when each step of one job was reached."""
    store = folder / "store-parts"
    command = [*EMBED, *SKY, "sharding=x1", "batch_size=8", "part_rows=8", f"store.root={store}"]
    started = time.time()
    process = subprocess.Popen(
        command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    run = None
    while process.poll() is None and run is None:
        run = next(jobs_here(), None)
        time.sleep(0.1)
    process.wait()
    ended = time.time()
    made = store / "sample/sample"
    steps = {
        "ids on disk": max((folder / "data/sweeps").glob("*/ids.jsonl")).stat().st_mtime,
        "machine allocated (Slurm's prolog done)": (cloud / "log/prolog.log").stat().st_mtime,
        "setup done, python started": run or 0.0,
        "dataset opened, model loaded": (made / "store.json").stat().st_mtime,
        "first part written": (made / "shard-00000/part-00000.parquet").stat().st_mtime,
        "shard committed": (made / "shard-00000/done.json").stat().st_mtime,
        "command ended": ended,
    }
    last = started
    print(f"one job of 364 images, exit code {process.returncode}:")
    for step, moment in steps.items():
        print(f"  {moment - started:6.1f} s (+{moment - last:5.1f})  {step}")
        last = moment


def jobs_here() -> Iterator[float]:
    """Yield the start times of clipvec's jobs running on this machine."""
    for process in psutil.process_iter():
        try:
            if process.cmdline()[1:3] == ["-m", "clipvec.embed"] and (
                "launcher=local" in process.cmdline()
            ):
                yield process.create_time()
        except psutil.Error:
            continue


def main() -> None:
    """Run all measurements and print them."""
    cloud = Path(sys.argv[1]).resolve()
    env = environment(cloud)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for jobs in (100, 1000):
            plan(jobs, folder)
        parts(cloud, folder, env)
        for jobs in (8, 100):
            submit(jobs, cloud, folder, env)


if __name__ == "__main__":
    main()
