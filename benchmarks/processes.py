"""What a command takes, with all the processes that it starts."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_INTERVAL = 0.1


@dataclass(frozen=True)
class Usage:
    """Of one run of a command."""

    seconds: float
    """On the clock."""
    processor_seconds: float
    peak_bytes: int
    """Of proportional memory (PSS), which counts what processes share once."""


def measured(command: Sequence[str | Path], cwd: Path, environment: dict[str, str]) -> Usage:
    """Run a command to its end, its output hidden; end the program with that if it fails."""
    log = cwd / "benchmark.log"
    before, started, peak = _processor_seconds(), time.perf_counter(), 0
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=os.environ | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            while process.poll() is None:
                peak = max(peak, _memory(process.pid))
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_INTERVAL)
        finally:
            process.kill()
            process.wait()
    seconds = time.perf_counter() - started
    if process.returncode:
        text = log.read_text(encoding="utf-8", errors="replace")
        sys.exit(f"{text[-2000:]}\n{command[0]} ended with code {process.returncode}")
    return Usage(seconds, _processor_seconds() - before, peak)


def _processor_seconds() -> float:
    """Return what all ended descendants of this process have taken."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _memory(pid: int) -> int:
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
    return total
