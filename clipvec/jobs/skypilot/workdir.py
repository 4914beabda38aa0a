"""The files sent to each machine, and the scripts that use them; see install.sh."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipvec.jobs.skypilot import gpus
from clipvec.jobs.skypilot.lock import lock
from clipvec.jobs.skypilot.wheel import build_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_WORKDIR = "~/sky_workdir"
"""Where SkyPilot puts the ``workdir`` of a task."""
_INSTALL = Path(__file__).with_name("install.sh")


def pack(folder: Path, extras: Iterable[Sequence[str]]) -> None:
    """Write the wheel of the running code, a lock for each set of extras, and install.sh.

    Raises:
        ConfigError: the wheel cannot be built.
    """
    wheel = build_wheel(folder)
    for chosen in {tuple(each) for each in extras}:
        file = folder / f"{'-'.join(['lock', *chosen])}.txt"
        file.write_text("".join(f"{line}\n" for line in lock(wheel, chosen)), encoding="utf-8")
    shutil.copy(_INSTALL, folder)


def setup(cloud: Mapping[str, Any], name: str, extras: Sequence[str]) -> str:
    """Return the script that creates the Python environment ``name`` on a machine."""
    lines = ["set -e", cloud.get("setup", "").strip()]
    return "".join(f"{line}\n" for line in lines if line) + install(cloud, name, extras)


def install(cloud: Mapping[str, Any], name: str, extras: Sequence[str]) -> str:
    """Return the line of that script which installs."""
    python = "{}.{}".format(*sys.version_info)
    arguments = [environment(name, extras), ",".join(extras), _torch(cloud), python]
    return f"bash {_WORKDIR}/{_INSTALL.name} {shlex.join(arguments)}\n"


def environment(name: str, extras: Sequence[str]) -> str:
    """Return the environment's name, relative to ``~/clipvec``."""
    return "-".join([name, *extras])


def run(script: str, name: str, extras: Sequence[str]) -> str:
    """Return a script that runs in the environment ``name``."""
    return f"export PATH=~/clipvec/{shlex.quote(environment(name, extras))}/bin:$PATH\n{script}"


def _torch(cloud: Mapping[str, Any]) -> str:
    """Return the build of torch: machines without a GPU are spared 2 GB of CUDA."""
    if cloud.get("image"):
        return "image"
    machines = gpus.alternatives(cloud)
    gpu = any(each.get("accelerators") or each.get("instance_type") for each in machines)
    return "auto" if gpu else "cpu"
