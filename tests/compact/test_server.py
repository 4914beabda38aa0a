"""The folder of a Chroma server, which is not clipvec's to clean."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from clipvec.compact.run import compact
from clipvec.index import build_index
from clipvec.index.chroma.server import chroma_server
from clipvec.store import Store
from tests.compact.conftest import NAME, asked, checked, grep, named
from tests.index.conftest import build_config
from tests.stores import delete

KEEPS = (
    "a Chroma server keeps bytes of collections that it deleted in its folder: to be rid of them, "
    "start it with an empty one, and run clipvec index"
)


def test_what_a_server_keeps_is_told_and_mended(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "clipvec")
    gone = [(0, 3), (0, 39), (1, 3)]
    needles = [named(*at).encode() for at in gone]  # in each id, uri and caption
    old, new = tmp_path / "old", tmp_path / "new"
    with chroma_server(old, tmp_path / "log") as index:
        build_index(build_config(tmp_path, index))
        assert compact(asked(store, index)).indexes == []
        assert KEEPS not in caplog.text
        delete(store, *(named(*at) for at in gone))
        build_index(build_config(tmp_path, index))
        assert compact(asked(store, index)).indexes == [NAME]
        assert caplog.text.count(KEEPS) == 1
        assert checked(store, index) == []
    assert grep(old, *needles), "else the warning, and what docs/store.md says, is to go"
    assert grep(Path(store.url), *needles) == []
    with chroma_server(new, tmp_path / "log") as index:
        build_index(build_config(tmp_path, index))
        assert checked(store, index) == []
    assert grep(new, *needles) == []
