"""Which runs a dashboard shows, and what it says of the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipvec.dashboard.local.gather import gather
from clipvec.errors import ConfigError, StoreError
from tests.dashboard.local.conftest import asked
from tests.stores import StoreFactory


def test_the_latest_sweep(swept: Path) -> None:
    board = gather(asked(swept))
    assert (board.sweep, board.others) == ("embed-1", ["embed-0"])
    assert [run.id for run in board.runs["embed"]] == ["embed-1-0", "embed-1-1", "embed-1-2"]
    assert [run.id for run in board.runs["sweep"]] == ["embed-1"]
    assert [len(board.runs[kind]) for kind in ("index", "recall")] == [1, 1]
    assert (board.images, board.missing, board.reasons) == (90, "2", {})


def test_a_sweep_by_name(swept: Path) -> None:
    board = gather(asked(swept, "sweep=embed-0"))
    assert [run.id for run in board.runs["embed"]] == ["embed-0-0"]
    assert board.runs["sweep"] == []


def test_an_unknown_sweep(swept: Path) -> None:
    with pytest.raises(ConfigError, match=r"sweep=mine: no run of it beside .*: embed-0, embed-1"):
        gather(asked(swept, "sweep=mine"))


def test_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store at"):
        gather(asked(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_untracked(tmp_path: Path, store_factory: StoreFactory) -> None:
    store_factory(tmp_path, {0: [9]})
    board = gather(asked(tmp_path))
    assert (board.sweep, board.images) == ("", 9)
    assert not any(board.runs.values())
