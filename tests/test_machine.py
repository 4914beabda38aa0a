"""What is known of the machine, from files such as the kernel's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from clipvec import machine


def cgroup(folder: Path, limit: str, used: int, files: int) -> None:
    folder.mkdir(parents=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\nfile 900\ninactive_file {files}\n")


def test_what_the_limits_of_cgroups_leave(tmp_path: Path) -> None:
    mine, root = tmp_path / "mine", tmp_path / "cgroup"
    mine.write_text("4:memory:/old\n0::/slice/job\n")
    cgroup(root / "slice" / "job", "max", 700, 0)
    # of 600 bytes in use, 150 are of files that were read and can be dropped
    (root / "slice" / "memory.max").write_text("1000\n")
    (root / "slice" / "memory.current").write_text("600\n")
    (root / "slice" / "memory.stat").write_text("inactive_file 150\n")
    assert machine._left(mine, root) == [550]
    cgroup(root / "slice" / "other", "500", 800, 0)
    mine.write_text("0::/slice/other\n")
    assert machine._left(mine, root) == [0, 550]
    assert machine._left(tmp_path / "nowhere", root) == []


def test_a_limit_counts_where_it_is_below_what_the_machine_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "_left", lambda mine, root: [123])
    assert machine.free_bytes() == 123
    monkeypatch.setattr(machine, "_left", lambda mine, root: [])
    assert machine.free_bytes() == pytest.approx(psutil.virtual_memory().available, rel=0.2)


PROGRAM = "from clipvec.machine import peak_bytes; print(peak_bytes())"


def test_peak_memory_is_that_of_this_program_and_not_of_its_parent() -> None:
    held = bytearray(300_000_000)
    held[::4096] = b"x" * len(held[::4096])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert 1e6 < int(done.stdout) < 100e6
    assert machine.peak_bytes() > len(held)


def test_hardware_has_a_processor_and_a_size() -> None:
    found = machine.hardware()
    assert found["processor"] == machine.processor() != ""
    assert found["memory"].endswith(" GiB")
    assert list(found) == ["processor", "cores", "memory", "load", "system"]
