"""Facts about the machine, read from files like the kernel's."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from clipvec import machine

V2 = ("memory.max", "memory.current", "inactive_file")
V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
NO_LIMIT = 9223372036854771712
"""Version 1's value for no limit."""


def cgroup(
    folder: Path, names: tuple[str, str, str], limit: str | int, used: int, droppable: int = 0
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\nfile 900\n{names[2]} {droppable}\n")


def test_limits_of_cgroups_version_2(tmp_path: Path) -> None:
    mine, root = tmp_path / "mine", tmp_path / "cgroup"
    mine.write_text("0::/slice/job\n")
    cgroup(root / "slice" / "job", V2, "max", 700)
    # of 600 bytes in use, 150 are page cache, which can be dropped
    cgroup(root / "slice", V2, 1000, 600, 150)
    assert machine._left_by_cgroups(mine, root) == [550]
    cgroup(root / "slice" / "other", V2, 500, 800)
    mine.write_text("0::/slice/other\n")
    assert machine._left_by_cgroups(mine, root) == [0, 550]


def test_limits_of_cgroups_version_1(tmp_path: Path) -> None:
    mine, root = tmp_path / "mine", tmp_path / "cgroup"
    # systemd's hybrid mount: memory is in version 1, the unified hierarchy has no memory files
    mine.write_text("5:cpu,cpuacct:/\n4:memory:/slice/job\n1:name=systemd:/x:y\n0::/slice/job\n")
    cgroup(root / "cpu,cpuacct", V1, 1, 0)
    cgroup(root / "memory" / "slice" / "job", V1, 2000, 100)
    cgroup(root / "memory" / "slice", V1, 1000, 600, 150)
    cgroup(root / "memory", V1, NO_LIMIT, 5000)
    assert machine._left_by_cgroups(mine, root) == [1900, 550, NO_LIMIT - 5000]


@pytest.mark.parametrize(("version", "line"), [(V1, "4:memory:"), (V2, "0::")])
def test_a_container_sees_its_own_cgroup_as_the_mount(
    tmp_path: Path, version: tuple[str, str, str], line: str
) -> None:
    mine, root = tmp_path / "mine", tmp_path / "cgroup"
    mine.write_text(f"{line}/docker/4f2e\n")
    cgroup(root / "memory" if version is V1 else root, version, 1000, 400)
    assert machine._left_by_cgroups(mine, root) == [600]


def test_no_cgroups(tmp_path: Path) -> None:
    assert machine._left_by_cgroups(tmp_path / "nowhere", tmp_path) == []


def test_the_lower_of_limit_and_machine_memory_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "_left_by_cgroups", lambda mine, root: [123])
    assert machine.free_bytes() == 123
    monkeypatch.setattr(machine, "_left_by_cgroups", lambda mine, root: [NO_LIMIT])
    assert machine.free_bytes() == pytest.approx(psutil.virtual_memory().available, rel=0.2)


PROGRAM = "from clipvec.machine import peak_bytes; print(peak_bytes())"


def test_peak_memory_excludes_that_of_the_parent() -> None:
    held = bytearray(300_000_000)
    held[::4096] = b"x" * len(held[::4096])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert 1e6 < int(done.stdout) < 100e6
    assert machine.peak_bytes() > len(held)


@pytest.mark.parametrize(
    ("visible", "device", "name"),
    [
        (None, "cuda", "Tesla T4"),
        ("1", "cuda:0", "NVIDIA L4"),
        (None, "cpu", machine.processor()),
    ],
)
def test_the_name_of_a_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str | None, device: str, name: str
) -> None:
    """With a stand-in for nvidia-smi, which this machine need not have."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\n[ $1 = -i ] || echo 'Tesla T4'\necho 'NVIDIA L4'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine.device_name(device) == name


def test_a_device_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert machine.device_name("cuda") == ""


def test_hardware_has_a_processor_and_a_size() -> None:
    found = machine.hardware()
    assert found["processor"] == machine.processor() != ""
    assert found["memory"].endswith(" GiB")
    assert list(found) == ["processor", "cores", "memory", "load", "system"]


def test_memory_is_filled() -> None:
    """Where glibc allocates it: what was there before is not there any more."""
    machine.fill_memory()
    libc = ctypes.CDLL("libc.so.6")
    libc.malloc.restype = ctypes.c_void_p
    block = ctypes.c_void_p(libc.malloc(100_000))
    held = ctypes.string_at(block, 100_000)
    libc.free(block)
    assert set(held) == {254}
