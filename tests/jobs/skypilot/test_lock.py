"""The versions that jobs install."""

from __future__ import annotations

import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from clipvec.jobs.skypilot.lock import lock


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A wheel that requires packages that are installed here, and some that are not."""
    requires = [
        "hydra-core>=1.3",
        "not-on-this-machine[fast]>=2,<3",
        "torch>=2",
        "pillow>=1; python_version < '3'",
        "s3fs>=2026.1; extra == 's3'",
    ]
    file = tmp_path / "clipvec-1-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        lines = "".join(f"Requires-Dist: {each}\n" for each in requires)
        archive.writestr("clipvec-1.dist-info/METADATA", f"Name: clipvec\nVersion: 1\n{lines}")
    return file


def test_installed_packages_are_pinned_with_their_dependencies(wheel: Path) -> None:
    lines = lock(wheel, [])
    assert lines == sorted(lines)
    assert f"hydra-core=={metadata.version('hydra-core')}" in lines
    assert f"omegaconf=={metadata.version('omegaconf')}" in lines
    assert "not-on-this-machine<3,>=2" in lines
    names = {line.partition("==")[0] for line in lines}
    assert {"s3fs", "pillow", "clipvec"}.isdisjoint(names)


def test_extras_bring_theirs(wheel: Path) -> None:
    assert f"s3fs=={metadata.version('s3fs')}" in lock(wheel, ["s3"])


def test_the_torch_build_is_left_to_the_machine(wheel: Path) -> None:
    lines = lock(wheel, [])
    (torch,) = (line for line in lines if line.startswith("torch=="))
    assert torch == f"torch=={metadata.version('torch').partition('+')[0]}"
    assert not [line for line in lines if line.startswith(("nvidia-", "cuda-", "triton"))]
