"""The real SkyPilot, on the local cloud of ``scripts/local-cloud``."""

from __future__ import annotations

import os
import pwd
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

LOCAL_CLOUD = Path(__file__).parents[3] / "scripts/local-cloud"


class Cloud:
    """A running local cloud."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        lines = self.control("env").stdout.splitlines()
        exports = dict(line.removeprefix("export ").split("=", 1) for line in lines if "=" in line)
        self.environment = os.environ | {k: v.replace("$PATH", _PATH) for k, v in exports.items()}
        given = [exports["PYTHONPATH"], os.environ.get("PYTHONPATH", "")]  # this checkout
        self.environment["PYTHONPATH"] = os.pathsep.join(filter(None, given))

    def control(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run ``scripts/local-cloud <command>``."""
        # Output goes to a file: daemons that it starts would keep a pipe open.
        with (self.folder / f"{command}.out").open("w+", encoding="utf-8") as file:
            done = subprocess.run(
                [str(LOCAL_CLOUD), command, str(self.folder)],
                env=os.environ | {"CLIPVEC_VENV": sys.prefix},
                stdout=file,
                stderr=file,
                check=False,
                timeout=180,
            )
            file.seek(0)
            text = file.read()
        assert done.returncode == 0, text
        return subprocess.CompletedProcess(done.args, 0, text, "")

    def slurm(self, command: str) -> str:
        """Return the output of a Slurm command."""
        return subprocess.run(
            shlex.split(command),
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        ).stdout


_PATH = os.environ["PATH"]


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A local cloud shared by all tests."""
    folder = tmp_path_factory.mktemp("cloud")
    running = Cloud(folder)
    try:
        running.control("start")
        yield running
    finally:
        running.control("stop")
        left = [user.pw_name for user in pwd.getpwall() if str(folder) in user.pw_dir]
        assert left == []


@pytest.fixture
def bare(cloud: Cloud) -> Iterator[None]:
    """Machines that start have nothing of ours, as those of a real cloud."""
    mark = cloud.folder / "bare"
    mark.touch()
    yield
    mark.unlink()


Clipvec = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(cloud: Cloud, tmp_path: Path) -> Iterator[Clipvec]:
    """Start ``python -m clipvec.<command> <arguments>`` against the cloud."""
    processes = []

    def call(command: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", f"clipvec.{command}", *arguments],
            cwd=tmp_path,
            env=cloud.environment | {"COLUMNS": "200"} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        processes.append(process)
        return process

    yield call
    for process in processes:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def run(start: Clipvec) -> Callable[..., str]:
    """Run a command to completion and return its output; it must not print a traceback."""

    def call(command: str, *arguments: str, exit_code: int = 0, **environment: str) -> str:
        process = start(command, *arguments, **environment)
        output, _ = process.communicate(timeout=400)
        assert process.returncode == exit_code, output
        assert "Traceback" not in output, output
        return output

    return call
