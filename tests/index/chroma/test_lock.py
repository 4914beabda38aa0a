"""One command at a time fills a collection in a folder."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from pathlib import Path

import pytest

from clipvec.config import EmbeddedIndexConfig, HttpIndexConfig
from clipvec.errors import CollectionError
from clipvec.index import Partitions
from clipvec.index.build import build_index
from clipvec.index.chroma.client import REBUILD, open_place
from clipvec.index.chroma.lock import turn
from clipvec.index.chroma.writer import LoadingCollection
from tests.index.conftest import build_config
from tests.stores import StoreFactory

NAME = "toys--toy"


def test_a_second_command_is_refused_and_takes_nothing(
    folder: EmbeddedIndexConfig, tmp_path: Path, store_factory: StoreFactory
) -> None:
    store = store_factory(tmp_path, {0: [20]})
    build_index(build_config(tmp_path, folder))
    place, hnsw = open_place(folder), build_config(tmp_path, folder).hnsw
    with turn(place, NAME):
        with LoadingCollection.ensure(place, NAME + REBUILD, store, hnsw):
            pass
        for rebuild in (False, True):
            with pytest.raises(CollectionError) as caught:
                build_index(build_config(tmp_path, folder, rebuild=rebuild))
            assert str(caught.value) == (
                f"{folder.path}/{NAME} is being filled by another command, which holds "
                f"{folder.path}/{NAME}.lock; wait until that has ended, or choose another "
                "index.path"
            )
        assert place.names() == [NAME, NAME + REBUILD]
        with Partitions.open(folder) as collection:
            assert collection.count() == 20
    assert build_index(build_config(tmp_path, folder)).reused == 1
    assert place.names() == [NAME]


def test_partitions_are_filled_beside_each_other(
    folder: EmbeddedIndexConfig, tmp_path: Path, store_factory: StoreFactory
) -> None:
    store_factory(tmp_path, {0: [20], 1: [30]})
    with turn(open_place(folder), f"{NAME}--shards-0"):
        assert build_index(build_config(tmp_path, folder, partition=1)).rows == 30
        with pytest.raises(CollectionError, match="--shards-0 is being filled"):
            build_index(build_config(tmp_path, folder, partition=0))


def test_a_failed_build_gives_its_turn_back(
    folder: EmbeddedIndexConfig, tmp_path: Path, store_factory: StoreFactory
) -> None:
    store_factory(tmp_path, {0: [20]})
    with pytest.raises(ValueError, match="no"), turn(open_place(folder), NAME):
        raise ValueError("no")
    assert build_index(build_config(tmp_path, folder)).loaded == 1


@pytest.mark.parametrize("answer", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks(
    folder: EmbeddedIndexConfig,
    tmp_path: Path,
    store_factory: StoreFactory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    answer: int,
) -> None:
    """The kernel's answer is forged: file systems that have none cannot be mounted here."""

    def refuse(fd: int, operation: int) -> None:
        raise OSError(answer, os.strerror(answer))

    store_factory(tmp_path, {0: [20]})
    monkeypatch.setattr(fcntl, "flock", refuse)
    with caplog.at_level(logging.WARNING):
        assert build_index(build_config(tmp_path, folder)).rows == 20
    assert caplog.messages == [
        f"the file system of {folder.path}/{NAME} knows no locks: "
        "run no other index command on it meanwhile"
    ]


def test_a_server_has_no_lock(server: HttpIndexConfig) -> None:
    place = open_place(server)
    with turn(place, NAME), turn(place, NAME):
        assert place.names() == []
