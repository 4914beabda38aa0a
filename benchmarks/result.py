"""The line that a benchmark ends with."""

from __future__ import annotations

import os
from pathlib import Path

_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "bf16")
"""Of a processor, by which the time of a model differs many times."""


def result(name: str, ratio: float, detail: str) -> str:
    """Return a name, its ratio, what was compared, and the machine that compared it."""
    found = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    flags = " ".join(flag for flag in _FLAGS if flag in found)
    machine = f"{len(os.sched_getaffinity(0))} cores, {flags}; load {os.getloadavg()[0]:.1f}"
    return f"{name}: ratio {ratio:.2f} ({detail}; {machine})"
