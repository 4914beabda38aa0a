"""The machine that runs this process: its processor, its memory, and how much of it was taken."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import sys
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_MINE = Path("/proc/self/cgroup")


def hardware() -> dict[str, str]:
    """Return what a measurement depends on, in words."""
    import psutil

    return {
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "load": f"{os.getloadavg()[0]:.1f}",
        "system": platform.platform(),
    }


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def peak_bytes() -> int:
    """Return the high-water mark of this process's resident memory, everything included.

    ``ru_maxrss`` begins on Linux with what the parent process held when it started this one, so
    the kernel's own mark of this program is read where there is one.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def free_bytes() -> int:
    """Return the memory that this process may still take: of the machine, and of its cgroups."""
    import psutil

    return min([psutil.virtual_memory().available, *_left(_MINE, _CGROUPS)])


def _left(mine: Path, root: Path) -> list[int]:
    """Return what the limits of a process's cgroups leave (version 2, as containers have).

    Args:
        mine: ``/proc/self/cgroup``.
        root: where cgroups are mounted.
    """
    left = []
    with contextlib.suppress(OSError):
        for line in mine.read_text(encoding="ascii").splitlines():
            if line.startswith("0::"):
                inner = root / line.removeprefix("0::").strip("/")
                for group in [inner, *inner.parents]:
                    if group.is_relative_to(root):
                        left += _unused(group)
    return left


def _unused(group: Path) -> list[int]:
    """Return ``memory.max`` less ``memory.current`` of a cgroup; none where there is no limit."""
    try:
        limit = (group / "memory.max").read_text(encoding="ascii").strip()
        used = int((group / "memory.current").read_text(encoding="ascii"))
        statistics = (group / "memory.stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    # Pages of files that were read count as used, but make room for whoever wants it.
    files = sum(int(x.split()[1]) for x in statistics if x.startswith("inactive_file "))
    return [] if limit == "max" else [max(0, int(limit) - used + files)]
