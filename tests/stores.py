"""Stores made without a model, for tests that read them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from clipvec.files import SCHEMA, to_json
from clipvec.store import (
    DeletedRows,
    Entry,
    Fingerprint,
    Golden,
    ModelFingerprint,
    Row,
    Store,
    TombstoneFolder,
)

ATTRIBUTES = {"category": "string", "stars": "int", "ratio": "float", "nice": "bool"}
INDEXED = {0: [40, 30], 1: [40, 30]}
"""Rows of the parts of each shard of the fixture `indexed`."""
MODEL = {"name": "toy", "arch": "toy", "pretrained": "toy"}


class StoreFactory(Protocol):
    """`make_store`."""

    def __call__(
        self,
        root: Path,
        shards: dict[int, list[int]],
        dim: int = 16,
        count: int | None = None,
        **kwargs: Any,
    ) -> Store: ...


def make_store(
    root: Path | str,
    shards: dict[int, list[int]],
    dim: int = 16,
    count: int | None = None,
    weights: str = "w" * 64,
    seed: int = 0,
    thumbnail: bytes | None = None,
    digest: str = "d" * 64,
) -> Store:
    """Return a store with the given number of rows per part of each shard, at ``root/toys/toy``."""
    golden = Golden([1.0] * dim, [0.5] * dim)
    fingerprint = Fingerprint(
        dataset={"name": "toys", "kind": "webdataset", "sources": 1, "digest": digest},
        sharding_count=count or len(shards),
        attributes=ATTRIBUTES,
        dtype="float16",
        thumbnail=32,
        model=ModelFingerprint("toy", weights, {"size": 8}, dim, golden),
        precision="",
        code="",
    )
    store = Store.create(f"{root}/toys/toy", fingerprint, MODEL)
    for shard, parts in shards.items():
        write_shard(store, shard, parts, seed, thumbnail)
    return store


def write_shard(
    store: Store, shard: int, parts: list[int], seed: int = 0, thumbnail: bytes | None = None
) -> None:
    """Write and commit a shard, or what is missing of it."""
    writer = store.writer(shard)
    dim = store.fingerprint.model.dim
    for part, count in enumerate(parts):
        if part < writer.parts:
            continue
        rng = np.random.default_rng([seed, shard, part])
        vectors = rng.normal(size=(count, dim)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        first = sum(parts[:part])
        rows = [row(shard, number, thumbnail) for number in range(first, first + count)]
        writer.write_part(rows, vectors, first + count)
    writer.commit({})


def delete(store: Store, *ids: str, reason: str | None = None) -> str:
    """Delete rows, and return the name of the deletion."""
    parts = {
        part.file: DeletedRows(part.sha256, chosen)
        for part in store.parts()
        if (chosen := [id for p in store.read(part) for id in p["id"].to_pylist() if id in ids])
    }
    return TombstoneFolder(store.folder).add(Entry.now(reason, parts))


def undo(store: Store, name: str) -> None:
    """Take a deletion back."""
    TombstoneFolder(store.folder).add(Entry.now(None, {}, undoes=name))


def row(shard: int, number: int, thumbnail: bytes | None = None) -> Row:
    """Return a row; every seventh has no caption, every fifth no stars."""
    return Row(
        id=f"{shard}/{number}",
        uri=f"toys-{shard}.tar#{number}",
        caption=None if number % 7 == 0 else f"toy <{number}>",
        width=100 + number,
        height=80,
        thumbnail=thumbnail or _THUMBNAIL,
        attributes={
            "category": ("bird", "fish")[number % 2],
            "stars": None if number % 5 == 0 else number % 4,
            "ratio": number / 8,
            "nice": number % 3 == 0,
        },
    )


def _jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 24), (200, 30, 30)).save(buffer, "JPEG")
    return buffer.getvalue()


_THUMBNAIL = _jpeg()


def edit(file: Path, **values: object) -> None:
    """Change values of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def edit_sealed(file: Path, **values: object) -> None:
    """Change values of a JSON file that has a checksum, and that with them."""
    was = json.loads(file.read_text())
    del was["seal"]
    schema = was.pop(SCHEMA)
    file.write_bytes(to_json(was | values, schema, sealed=True))


def edit_fingerprint(file: Path, values: Mapping[str, Any]) -> None:
    """Change values of the fingerprint in a ``store.json``; those of two sections one by one."""
    made = json.loads(file.read_text())["fingerprint"]
    for name, value in values.items():
        made[name] = {**made[name], **value} if name in {"dataset", "model"} else value
    edit(file, fingerprint=made)


def flip(file: Path, at: int) -> None:
    """Flip a bit of the byte at a position of a file."""
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)
