"""The version of the running code."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipvec import version
from clipvec.version import __version__


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkout of one file, as if clipvec ran from it."""
    monkeypatch.setattr(version, "_ROOT", tmp_path)
    monkeypatch.delenv(version.VARIABLE, raising=False)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/embed.yaml").write_text("batch_size: 64\n")
    (tmp_path / "clipvec").mkdir()
    for arguments in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one"],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True)
    version.version.cache_clear()
    yield tmp_path
    version.version.cache_clear()


def test_a_clean_checkout_shows_its_commit(checkout: Path) -> None:
    assert re.fullmatch(re.escape(__version__) + r"\+g[0-9a-f]{7,}", version.version())


def test_a_changed_file_makes_it_dirty(checkout: Path) -> None:
    (checkout / "conf/embed.yaml").write_text("batch_size: 32\n")
    assert version.version().endswith(".dirty")


def test_a_new_file_makes_it_dirty_if_the_wheel_includes_it(checkout: Path) -> None:
    (checkout / "notes.txt").touch()
    assert not version.version().endswith(".dirty")
    version.version.cache_clear()
    (checkout / "clipvec/new.py").touch()
    assert version.version().endswith(".dirty")


def test_an_installed_wheel_has_its_version(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version, "_ROOT", checkout / "conf")
    assert version.version() == __version__


def test_a_job_reports_the_version_that_launched_it(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(version.VARIABLE, "0.1.0+g1234567.dirty")
    assert version.version() == "0.1.0+g1234567.dirty"
