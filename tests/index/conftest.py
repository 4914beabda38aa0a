"""An index of a small store, in a folder and on a real Chroma server."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clipvec import config
from clipvec.config import ChromaConfig, ChromaHttpConfig, IndexCommandConfig, IndexConfig
from clipvec.index.chroma.client import client_factory, close
from tests.waiting import until


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


@pytest.fixture(params=["folder", "server"])
def index(request: pytest.FixtureRequest) -> Iterator[IndexConfig]:
    """An empty index, in a folder and on a server."""
    where: IndexConfig = request.getfixturevalue(request.param)
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
