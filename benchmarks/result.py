"""The line that a benchmark ends with."""

from __future__ import annotations

import os
import re
from pathlib import Path

_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "bf16")
"""Of a processor, by which the time of a model differs many times."""
LINE = re.compile(r"^(.+?): ratio ([\d.]+) \((.+); \d+ cores, [\w ]*; load ([\d.]+)\)$", re.M)
"""Its name, ratio, detail and load."""


def result(name: str, ratio: float, detail: str) -> str:
    """Return a name, its ratio, what was compared, and the machine that compared it."""
    return f"{name}: ratio {ratio:.2f} ({detail}; {machine()}; load {os.getloadavg()[0]:.1f})"


def machine() -> str:
    """Return the cores of this machine, and what they have."""
    found = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    return f"{len(os.sched_getaffinity(0))} cores, {' '.join(f for f in _FLAGS if f in found)}"
