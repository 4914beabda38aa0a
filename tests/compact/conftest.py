"""A store whose rows a grep finds, and what tests of compact do with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from clipvec import config
from clipvec.check.run import check
from clipvec.config import (
    CheckConfig,
    ChromaConfig,
    CompactConfig,
    FaissConfig,
    IndexKind,
)
from clipvec.store import Row, Rows, Store, compaction
from clipvec.store.folder import Folder
from tests.stores import make_store, row

NAME = "toys--toy"


@pytest.fixture(params=["chroma", "faiss"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> IndexKind:
    if request.param == "chroma":
        return ChromaConfig(f"{tmp_path}/index")
    return FaissConfig(f"{tmp_path}/index")


def named(shard: int, number: int) -> str:
    return f"image-{shard}-{number:04}"


def thumbnail(shard: int, number: int) -> bytes:
    return f"JPEG of {named(shard, number)}".encode() * 9


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Rows that a grep finds; each is its own image. Its parts do not count as small."""
    monkeypatch.setattr(compaction, "GROUP_ROWS", 0)
    store = make_store(tmp_path, {}, count=2)
    rng = np.random.default_rng(0)
    for shard, parts in {0: [40, 30], 1: [40]}.items():
        writer, number = store.writer(shard), 0
        for count in parts:
            rows = [_row(shard, n) for n in range(number, number + count)]
            vectors = rng.normal(size=(count, 16))
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            number += count
            writer.write_part(rows, vectors, number, (rows[-1].uri, 1))
        writer.reject(number, named(shard, 3), f"again {named(shard, 3)}", "twice", "DuplicateId")
        writer.reject(number + 1, named(0, 3), "another shard", "cut", "Undecodable")
        writer.commit({})
    return store


def _row(shard: int, number: int) -> Row:
    made, name = row(shard, number, thumbnail(shard, number)), named(shard, number)
    values = {field: getattr(made, field) for field in Row.__slots__}
    digest = number.to_bytes(15, "big") + bytes([shard])
    own = {"id": name, "uri": f"toys.tar#{name}", "caption": f"a {name}", "digest": digest}
    return Row(**{**values, **own, "source": number})


def asked(of: Store, index: IndexKind, **changes: Any) -> CompactConfig:
    values = {
        "model": {"name": "toy"},
        "dataset": {"name": "toys"},
        "store": {"root": str(Path(of.url).parents[1])},
        "index": config.to_dict(index),
        "dry_run": False,
    }
    return config.from_dict({**values, **changes}, CompactConfig)


def files(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def grep(folder: Path, *needles: bytes) -> list[str]:
    """Return the files that hold some bytes, as they are or as Parquet reads them."""
    found = []
    for name, data in files(folder).items():
        texts = [data]
        if name.endswith(".parquet"):
            parquet = pq.ParquetFile(folder / name)
            about = [parquet.read().to_pylist(), parquet.metadata.metadata]
            groups = map(parquet.metadata.row_group, range(parquet.num_row_groups))
            texts += [repr(each).encode() for each in (*about, *(g.to_dict() for g in groups))]
        found += [name for needle in needles for text in texts if needle in text]
    return found


class Killed(BaseException):
    """Stands for a SIGKILL: nothing of the program runs after it but what closes files."""


def count_writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many files were written or removed; if the second number comes, kill there."""
    counted = [0, -1]

    def counting(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Folder, *given: Any) -> Any:
            if counted[0] == counted[1]:
                raise Killed
            counted[0] += 1
            return method(self, *given)

        return call

    for name in ("write", "create", "remove", "remove_folder"):
        monkeypatch.setattr(Folder, name, counting(getattr(Folder, name)))
    return counted


def live(store: Store) -> dict[str, dict[str, Any]]:
    names = store.schema().names
    pieces = Rows.open(store.url).pieces(names)
    return {row["id"]: row for _, piece in pieces for row in piece.to_pylist()}


def checked(store: Store, index: IndexKind) -> list[str]:
    asks = config.to_dict(asked(store, index)) | {"store_only": False}
    del asks["dry_run"]
    return check(config.from_dict(asks, CheckConfig)).faults
