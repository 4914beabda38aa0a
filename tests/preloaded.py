"""A process that has imported large packages, and runs each command in a fork of its own.

The imports of torch and of SkyPilot take longer than most commands of the tests, several hundred
times. What a fork cannot show, a module that is imported too late or not at all, the tests of the
wheel and scripts/demo do.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

Python = Callable[..., str]
"""Runs Python where SkyPilot is imported; see the fixture `python`."""


class Preloaded:
    """Runs ``python -m`` of a module or ``python -c`` of code, as `subprocess.run` would."""

    def __init__(self, folder: Path, *modules: str, **environment: str) -> None:
        """Start the process, which imports modules.

        It writes what commands print into files of ``folder``.
        """
        self._out, self._err = folder / "stdout", folder / "stderr"
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
            env=os.environ | environment,
            start_new_session=True,
        )

    def run(
        self, arguments: Sequence[str], env: dict[str, str], cwd: Path
    ) -> subprocess.CompletedProcess[str]:
        """Run Python with ``-m MODULE`` or ``-c CODE``, and arguments."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {
            "arguments": arguments,
            "env": env,
            "cwd": str(cwd),
            "files": [str(self._out), str(self._err)],
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        exit_code = int(self._process.stdout.readline())
        out, err = self._out.read_text(), self._err.read_text()
        return subprocess.CompletedProcess(arguments, exit_code, out, err)

    def close(self) -> None:
        """End the process, and a command that it still runs."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


def serve() -> None:
    """Run what each line of stdin asks for, and print its exit code."""
    for module in sys.argv[1:]:
        importlib.import_module(module)
    gc.freeze()  # a collection would copy all their pages into each fork
    gc.set_threshold(20_000)  # as in tests/conftest.py
    while line := sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            _end(_run(**json.loads(line)))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _run(arguments: list[str], env: dict[str, str], cwd: str, files: list[str]) -> str | int | None:
    """Run a module or code in this process, and return what it exits with."""
    for descriptor, file in enumerate([os.devnull, *files]):
        os.dup2(os.open(file, os.O_RDWR | os.O_CREAT | os.O_TRUNC), descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    tempfile.tempdir = None  # of the environment that was
    sys.path[0] = cwd
    option, program, *sys.argv[1:] = arguments
    try:
        if option == "-c":
            exec(program, {"__name__": "__main__"})
        else:
            runpy.run_module(program, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        return ended.code
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _end(code: str | int | None) -> NoReturn:
    """End as Python does, but without freeing all modules, which takes two seconds."""
    if isinstance(code, str):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    serve()
