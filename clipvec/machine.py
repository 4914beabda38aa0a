"""The machine that runs this process: its processor, its memory, and how much of it is used."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_CGROUPS = Path("/sys/fs/cgroup")
_MINE = Path("/proc/self/cgroup")
_SKYPILOT_GPUS = "SKYPILOT_NUM_GPUS_PER_NODE"
_VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"
_TRIM, _MMAP_THRESHOLD, _PERTURB, _ARENA_MAX = -1, -3, -6, -8
"""Of glibc's malloc.h, see mallopt(3)."""
_NEVER = 2**31 - 1


def hardware() -> dict[str, str]:
    """Return a description of the hardware that a measurement depends on."""
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
    """Return the peak resident memory of this process, everything included.

    On Linux ``ru_maxrss`` starts at the parent's memory at the time of the fork, so the kernel's
    ``VmHWM`` of this program is read where there is one.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def free_bytes() -> int:
    """Return the memory that this process may still use, by the machine and by its cgroups."""
    import psutil

    return min([psutil.virtual_memory().available, *_left_by_cgroups(_MINE, _CGROUPS)])


@dataclass(frozen=True)
class _Names:
    """File names of one cgroup version, and the entry of ``memory.stat`` that is read."""

    limit: str
    used: str
    droppable: str
    """Page cache: it counts as used, but is reclaimed when memory is needed."""


_V1 = _Names("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_V2 = _Names("memory.max", "memory.current", "inactive_file")


def _left_by_cgroups(mine: Path, root: Path) -> list[int]:
    """Return the bytes left under each limit of a process's cgroups and their parents.

    Args:
        mine: ``/proc/self/cgroup``, a line ``id:controllers:path`` for each hierarchy; version
            2's has no controllers.
        root: where cgroups are mounted; each version 1 hierarchy has a folder there.
    """
    left = []
    with contextlib.suppress(OSError):
        for line in mine.read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "memory" not in controllers.split(","):
                continue
            names, mount = (_V1, root / controllers) if controllers else (_V2, root)
            # In a container the path may be the host's; only the mount exists here.
            group = mount / path.strip("/")
            for folder in [group, *group.parents]:
                if folder.is_relative_to(mount):
                    left += _left_by_cgroup(folder, names)
    return left


def _left_by_cgroup(group: Path, names: _Names) -> list[int]:
    """Return the limit of one cgroup minus its usage; an empty list if it has no limit."""
    try:
        limit = (group / names.limit).read_text(encoding="ascii").strip()
        used = int((group / names.used).read_text(encoding="ascii"))
        statistics = (group / "memory.stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    counts = dict(line.split() for line in statistics)
    # Where version 2 has "max", version 1 has a number beyond any machine's memory.
    droppable = int(counts.get(names.droppable, 0))
    return [] if limit == "max" else [max(0, int(limit) - used + droppable)]


def gpus() -> list[str]:
    """Return the NVIDIA GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    visible = _visible()
    if visible is not None:
        return visible
    # a GPU's slices are listed below it, indented
    found = [line for line in _nvidia_smi("-L") if line.startswith("GPU ")]
    return [str(number) for number, _ in enumerate(found)]


def given_gpus() -> tuple[int, str]:
    """Return the number of GPUs that this process was given, and the variable that says so.

    A GPU that the machine merely has does not count: (0, "").
    """
    visible = _visible()
    if visible is not None:
        named = f"{_VISIBLE_GPUS}={','.join(visible)}"
        return len(visible), named if visible else ""
    skypilot = os.environ.get(_SKYPILOT_GPUS, "")
    count = int(skypilot) if skypilot.isdecimal() else 0
    return count, f"{_SKYPILOT_GPUS}={count}" if count else ""


def describe_gpus() -> str:
    """Return the names of this machine's NVIDIA GPUs and their driver, in words."""
    lines = _nvidia_smi("--query-gpu=name,driver_version", "--format=csv,noheader")
    if not lines:
        return "nvidia-smi finds no GPU"
    name, _, driver = lines[0].partition(", ")
    return f"{name}, driver {driver}"


def device_name(device: str) -> str:
    """Return the name of a torch device's hardware, such as ``Tesla T4``; empty: unknown."""
    if not device.startswith("cuda"):
        return processor()
    visible = _visible()
    chosen = ["-i", visible[0]] if visible else []
    lines = _nvidia_smi(*chosen, "--query-gpu=name", "--format=csv,noheader")
    return lines[0].strip() if lines else ""


def _visible() -> list[str] | None:
    visible = os.environ.get(_VISIBLE_GPUS)
    if visible is None:
        return None
    return [name for name in visible.split(",") if name not in {"", "-1"}]


def _nvidia_smi(*options: str) -> list[str]:
    """Return the lines that nvidia-smi prints; none where it is missing or fails."""
    try:
        done = subprocess.run(
            ["nvidia-smi", *options], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.splitlines()


def fill_memory() -> None:
    """Have memory filled when it is allocated, where glibc is the system's C library.

    For what must not be in files of libraries that write memory which they never set.
    """
    _mallopt({_PERTURB: 1})


def share_heap() -> None:
    """Make glibc give all threads the heap of the first, where no other thread was started before.

    Heaps of others, of which a new thread takes any, cannot hold the blocks of a batch.
    """
    _mallopt({_ARENA_MAX: 1})


def keep_memory() -> None:
    """Make glibc keep the memory that a batch freed for the next one.

    It would return activations of some 100 MB to the system after each layer and have them
    zeroed again: a sixth of the time of ViT-B-32 on a CPU. Peak memory does not change. Threads
    that are started from now on have no heaps of their own, see `share_heap`.
    """
    _mallopt({_ARENA_MAX: 1, _MMAP_THRESHOLD: _NEVER, _TRIM: _NEVER})


def _mallopt(parameters: Mapping[int, int]) -> None:
    import ctypes

    with contextlib.suppress(AttributeError, OSError):  # as on macOS
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in parameters.items():
            mallopt(parameter, value)
