"""A collection in a folder is filled by one command at a time."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from pathlib import Path

import pytest

from clipvec.config import ChromaConfig, ChromaHttpConfig
from clipvec.errors import CollectionError
from clipvec.index import open_index
from clipvec.index.build import build_index
from clipvec.index.chroma.client import REBUILD, client_factory
from clipvec.index.chroma.lock import exclusive
from clipvec.index.chroma.writer import CollectionWriter
from tests.index.conftest import build_config
from tests.stores import StoreFactory

NAME = "toys--toy"


def test_a_second_command_is_refused_and_changes_nothing(
    folder: ChromaConfig, tmp_path: Path, store_factory: StoreFactory
) -> None:
    store = store_factory(tmp_path, {0: [20]})
    build_index(build_config(tmp_path, folder))
    factory, hnsw = client_factory(folder), build_config(tmp_path, folder).hnsw
    with exclusive(factory, NAME):
        with CollectionWriter(factory, NAME + REBUILD, store, hnsw):
            pass
        for rebuild in (False, True):
            with pytest.raises(CollectionError) as caught:
                build_index(build_config(tmp_path, folder, rebuild=rebuild))
            assert str(caught.value) == (
                f"{folder.path}/{NAME} is being filled by another command, which holds "
                f"{folder.path}/{NAME}.lock; wait until it has finished, or choose "
                "another index.path"
            )
        assert factory.names() == [NAME, NAME + REBUILD]
        with open_index(folder) as collection:
            assert collection.count() == 20
    assert build_index(build_config(tmp_path, folder)).reused == 1
    assert factory.names() == [NAME]


def test_partitions_can_be_filled_concurrently(
    folder: ChromaConfig, tmp_path: Path, store_factory: StoreFactory
) -> None:
    store_factory(tmp_path, {0: [20], 1: [30]})
    with exclusive(client_factory(folder), f"{NAME}--shards-0"):
        assert build_index(build_config(tmp_path, folder, partition=1)).rows == 30
        with pytest.raises(CollectionError, match="--shards-0 is being filled"):
            build_index(build_config(tmp_path, folder, partition=0))


def test_a_failed_build_releases_the_lock(
    folder: ChromaConfig, tmp_path: Path, store_factory: StoreFactory
) -> None:
    store_factory(tmp_path, {0: [20]})
    with pytest.raises(ValueError, match="no"), exclusive(client_factory(folder), NAME):
        raise ValueError("no")
    assert build_index(build_config(tmp_path, folder)).loaded == 1


@pytest.mark.parametrize("answer", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks(
    folder: ChromaConfig,
    tmp_path: Path,
    store_factory: StoreFactory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    answer: int,
) -> None:
    """The kernel's error is faked: file systems without locks cannot be mounted here."""

    def refuse(fd: int, operation: int) -> None:
        raise OSError(answer, os.strerror(answer))

    store_factory(tmp_path, {0: [20]})
    monkeypatch.setattr(fcntl, "flock", refuse)
    with caplog.at_level(logging.WARNING):
        assert build_index(build_config(tmp_path, folder)).rows == 20
    assert caplog.messages == [
        f"the file system of {folder.path}/{NAME} does not support locking; "
        "do not run another command on it at the same time"
    ]


def test_a_server_has_no_lock(server: ChromaHttpConfig) -> None:
    factory = client_factory(server)
    with exclusive(factory, NAME), exclusive(factory, NAME):
        assert factory.names() == []
