"""An index of a small store, in a folder and on a real Chroma server."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from clipvec import config
from clipvec.config import (
    ChromaConfig,
    ChromaHttpConfig,
    FaissConfig,
    IndexCommandConfig,
    IndexConfig,
    IndexKind,
)
from clipvec.index.chroma.client import client_factory, close
from tests.waiting import until

C = TypeVar("C", bound=IndexKind)


def build_config(root: Path, index: IndexConfig, **changes: Any) -> IndexCommandConfig:
    """Return a configuration for the store below ``root``."""
    values = {
        "model": {"name": "toy", "arch": "toy", "pretrained": "toy"},
        "dataset": {"kind": "webdataset", "name": "toys", "path": "toys.tar"},
        "sharding": {"count": 1},
        "store": {"root": str(root)},
        "index": config.to_dict(index),
        "hnsw": {"max_neighbors": 16, "ef_construction": 100, "ef_search": 100},
        "cloud": {"name": "local"},
        "launcher": {"kind": "local"},
        "tracking": {"mode": "disabled"},
        "partition": None,
        "shards": None,
        "num_shards": None,
        "alias": None,
        "allow_partial": False,
        "rebuild": False,
        "batch_rows": 100,
    }
    return config.from_dict({**values, **changes}, IndexCommandConfig)


@pytest.fixture
def folder(tmp_path: Path) -> ChromaConfig:
    return ChromaConfig(path=str(tmp_path / "index"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromaHttpConfig]:
    """A Chroma server on a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = tmp_path_factory.mktemp("server")
    with (path / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(Path(sys.executable).parent / "chroma", "run", "--path", path / "data"),
                *("--host", "127.0.0.1", "--port", str(port)),
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait(f"http://127.0.0.1:{port}/api/v2/heartbeat", process)
            yield ChromaHttpConfig(host="127.0.0.1", port=port)
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture
def disk(tmp_path: Path) -> FaissConfig:
    return FaissConfig(path=str(tmp_path / "faiss"), factory="IVF4,RaBitQ", nprobe=4)


@pytest.fixture(params=["folder", "server", "disk"])
def index(request: pytest.FixtureRequest) -> Iterator[IndexConfig]:
    """An empty index: of Chroma in a folder and on a server, of FAISS on disk."""
    with emptied(request.getfixturevalue(request.param)) as where:
        yield where


@pytest.fixture(params=["folder", "server"])
def chroma(request: pytest.FixtureRequest) -> Iterator[ChromaConfig | ChromaHttpConfig]:
    """An empty index of Chroma, in a folder and on a server."""
    with emptied(request.getfixturevalue(request.param)) as where:
        yield where


@contextlib.contextmanager
def emptied(where: C) -> Iterator[C]:
    """Yield an index, and remove what is on a server afterwards."""
    yield where
    if isinstance(where, ChromaHttpConfig):
        client = client_factory(where).connect("")
        for collection in client.list_collections():
            client.delete_collection(collection.name)
        close(client)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    def answers() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return True
        except OSError:
            return False

    until(answers, by=process)
