"""``python -m clipvec.jobs.skypilot.each_gpu -m MODULE ... shards='0-9'``: runs a job on its GPUs.

On a machine with several, one process for each embeds shards of its own. With one GPU, or none,
this process becomes that of the command.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from clipvec import machine, shards

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

_SHARDS = re.compile(r"shards='?([\d,-]+)'?")
_ANY = sys.maxsize
"""How many shards there may be."""


def main() -> None:
    """Run the command that this process was given."""
    command = [sys.executable, *sys.argv[1:]]
    gpus = given()
    if len(gpus) < 2:
        os.execve(command[0], command, os.environ | _seeing(*gpus))
    processes = _started(gpus, split(command, len(gpus)))
    with ThreadPoolExecutor(len(processes)) as threads:
        codes = list(threads.map(_Process.wait, processes))
    for each, code in zip(processes, codes, strict=True):
        if code:
            print(f"{each.name} ended with exit code {code}: {each.said}", flush=True)
    sys.exit(max(codes))


def given() -> list[str]:
    """Return the GPUs that this job was given, as CUDA_VISIBLE_DEVICES names them."""
    count, why = machine.given_gpus()
    found = machine.gpus()
    if 0 < len(found) < count:
        print(f"{why}, but nvidia-smi -L lists {len(found)}: the others are not used", flush=True)
    # where none is found, each process says what its torch lacks
    return (found or [str(number) for number in range(count)])[:count]


def split(command: Sequence[str], count: int) -> list[list[str]]:
    """Return the commands of at most ``count`` processes that share the shards of one.

    They share its cores, too.
    """
    *words, last = command
    found = _SHARDS.fullmatch(last)
    assert found is not None
    wanted = shards.parse(found[1], _ANY)
    count = min(count, len(wanted))
    if not any(word.lstrip("+~").startswith("decode_threads=") for word in words):
        words.append(f"decode_threads={max(1, (os.cpu_count() or 1) // count)}")
    return [[*words, f"shards='{shards.format(own)}'"] for own in shards.split(wanted, count)]


def _started(gpus: Sequence[str], commands: Sequence[Sequence[str]]) -> list[_Process]:
    """Start a process for each command, which gets the signals of this one."""
    processes: list[_Process] = []
    early: list[int] = []

    def tell(signum: int) -> None:
        for each in processes:
            each.tell(signum)

    _handle(early.append)  # until all are there to be told
    try:
        for gpu, own in zip(gpus, commands, strict=False):
            processes.append(_Process(gpu, own))
    except BaseException:
        tell(signal.SIGTERM)
        for each in processes:
            each.wait()
        raise
    _handle(tell)
    for signum in early:
        tell(signum)
    return processes


def _handle(signals: Callable[[int], None]) -> None:
    """Take the signals that end this process."""

    def take(signum: int, frame: FrameType | None) -> None:
        signals(signum)

    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, take)


def _seeing(*gpus: str) -> dict[str, str]:
    """Return the environment in which a process sees those GPUs alone; of none, what it was."""
    return {"CUDA_VISIBLE_DEVICES": ",".join(gpus)} if gpus else {}


class _Process:
    """A process with a GPU of its own, whose lines are told apart by it."""

    def __init__(self, gpu: str, command: Sequence[str]) -> None:
        self.name = f"GPU {gpu}, {command[-1]}"
        self.said = ""
        """Its last line."""
        print(f"{self.name}: started", flush=True)
        self._prefix = f"GPU {gpu}: "
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=os.environ | _seeing(gpu),
        )

    def tell(self, signum: int) -> None:
        """Send it a signal, unless it has ended."""
        self._process.send_signal(signum)

    def wait(self) -> int:
        """Print its lines until it ends, and return its exit code, as a shell has it."""
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self.said = line.rstrip("\n")
                print(self._prefix + self.said, flush=True)
        code = self._process.wait()
        return code if code >= 0 else 128 - code


if __name__ == "__main__":
    main()
