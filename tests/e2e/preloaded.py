"""A process that has imported torch and open_clip, and runs each command in a fork of its own.

Their import takes longer than most commands of the tests, several hundred times. What a fork cannot
show, a module that is imported too late or not at all, the tests of the wheel and scripts/demo do.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import NoReturn


class Preloaded:
    """Runs ``python -m`` of a module, as `subprocess.run` would."""

    def __init__(self, folder: Path) -> None:
        """Start the process; it writes what commands print into files of ``folder``."""
        self._out, self._err = folder / "stdout", folder / "stderr"
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            start_new_session=True,
        )

    def run(
        self, module: str, arguments: tuple[str, ...], env: dict[str, str], cwd: Path
    ) -> subprocess.CompletedProcess[str]:
        """Run a module; return its exit code, and what it printed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {
            "module": module,
            "arguments": arguments,
            "env": env,
            "cwd": str(cwd),
            "files": [str(self._out), str(self._err)],
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        exit_code = int(self._process.stdout.readline())
        out, err = self._out.read_text(), self._err.read_text()
        return subprocess.CompletedProcess([module, *arguments], exit_code, out, err)

    def close(self) -> None:
        """End the process, and a command that it still runs."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


def serve() -> None:
    """Run what each line of stdin asks for, and print its exit code."""
    import transformers  # noqa: F401

    import clipvec.embed.run
    import clipvec.evaluate.run
    import clipvec.index.build
    import clipvec.model.torch.encoder
    import clipvec.model.torch.sample
    import clipvec.recall.run  # noqa: F401

    gc.freeze()  # a collection would copy all their pages into each fork
    gc.set_threshold(20_000)  # as in tests/conftest.py
    while line := sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            _end(_run(**json.loads(line)))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _run(
    module: str, arguments: list[str], env: dict[str, str], cwd: str, files: list[str]
) -> str | int | None:
    """Run a module in this process, and return what it exits with."""
    for descriptor, file in enumerate([os.devnull, *files]):
        os.dup2(os.open(file, os.O_RDWR | os.O_CREAT | os.O_TRUNC), descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    tempfile.tempdir = None  # of the environment that was
    sys.path[0] = cwd
    sys.argv[1:] = arguments
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
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
