"""The wheel for the jobs; one made of an installed clipvec is in tests/e2e/test_wheel.py."""

from __future__ import annotations

import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import clipvec
from clipvec.errors import ConfigError
from clipvec.jobs.skypilot import wheel


def test_the_checkout_is_what_jobs_install(tmp_path: Path) -> None:
    built = wheel.build_wheel(tmp_path)
    assert built == tmp_path / wheel.wheel_name()
    with zipfile.ZipFile(built) as archive:
        assert archive.read("clipvec/__init__.py") == Path(clipvec.__file__).read_bytes()
        assert "clipvec/conf/launcher/sky.yaml" in archive.namelist()
        assert "hydra_plugins/clipvec_sky/sweep_launcher.py" in archive.namelist()


def test_a_missing_wheel_builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hatchling.builders.wheel", None)
    with pytest.raises(ConfigError, match=r"package hatchling, .*'clipvec\[sky\]'$"):
        wheel.build_wheel(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_installation_without_a_file_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some packagers leave out RECORD."""
    info = tmp_path / "clipvec-9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: clipvec\nVersion: 9\n")
    distribution = metadata.Distribution.at(info)
    monkeypatch.setattr(metadata, "distribution", lambda name: distribution)
    monkeypatch.setattr(wheel, "_ROOT", tmp_path)
    with pytest.raises(ConfigError, match=r"without a list of its files.* install it with pip"):
        wheel.build_wheel(tmp_path)
