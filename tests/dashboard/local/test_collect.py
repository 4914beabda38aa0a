"""Which runs a dashboard shows, and what it shows of the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipvec.dashboard.local.collect import collect
from clipvec.errors import ConfigError, StoreError
from tests.dashboard.local.conftest import asked
from tests.stores import StoreFactory


def test_the_latest_sweep(swept: Path) -> None:
    found = collect(asked(swept))
    assert (found.name, found.others) == ("embed-1", ["embed-0"])
    assert [run.id for run in found.runs["embed"]] == ["embed-1-0", "embed-1-1", "embed-1-2"]
    assert [run.id for run in found.runs["sweep"]] == ["embed-1"]
    assert [len(found.runs[kind]) for kind in ("index", "recall")] == [1, 1]
    assert (found.images, found.missing, found.reasons) == (90, "2", {})


def test_a_sweep_by_name(swept: Path) -> None:
    found = collect(asked(swept, "sweep=embed-0"))
    assert [run.id for run in found.runs["embed"]] == ["embed-0-0"]
    assert found.runs["sweep"] == []


def test_an_unknown_sweep_is_refused(swept: Path) -> None:
    with pytest.raises(ConfigError, match=r"sweep=mine: no run of it beside .*: embed-0, embed-1"):
        collect(asked(swept, "sweep=mine"))


def test_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store at"):
        collect(asked(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_untracked(tmp_path: Path, store_factory: StoreFactory) -> None:
    store_factory(tmp_path, {0: [9]})
    found = collect(asked(tmp_path))
    assert (found.name, found.images) == ("", 9)
    assert not any(found.runs.values())
