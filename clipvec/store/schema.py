"""Columns of a part file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

EMBEDDING = "embedding"
SOURCE = "_source"
DIGEST = "_digest"
_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Row:
    """The columns of one image, except its embedding."""

    id: str
    uri: str
    caption: str | None
    width: int
    height: int
    thumbnail: bytes | None
    attributes: Mapping[str, Any]
    source: int = 0
    """Number of the image's source in its generation, see `clipvec.store.generations`."""
    digest: bytes | None = None
    """Of the image file, see `image_digest`; None: there is no file."""


def image_digest(image: bytes) -> bytes:
    """Return 16 bytes that stand for the bytes of an image file."""
    return hashlib.blake2b(image, digest_size=_DIGEST_BYTES).digest()


def id_digest(id: str) -> str:
    """Return 32 hexadecimal digits that stand for an id; who guesses the id can confirm it."""
    return image_digest(id.encode()).hex()


def part_schema(dim: int, dtype: str, thumbnail: bool, attributes: Mapping[str, str]) -> pa.Schema:
    """Return the Arrow schema of a part with embeddings of ``dim`` numbers of type ``dtype``."""
    import pyarrow as pa

    types = {"string": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
    numbers = {"float16": pa.float16(), "float32": pa.float32()}[dtype]
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field(EMBEDDING, pa.list_(pa.field("item", numbers, nullable=False), dim)),
            pa.field("uri", pa.string(), nullable=False),
            pa.field("caption", pa.string()),
            pa.field("width", pa.int32(), nullable=False),
            pa.field("height", pa.int32(), nullable=False),
            pa.field(SOURCE, pa.int64(), nullable=False),
            pa.field(DIGEST, pa.binary(_DIGEST_BYTES)),
            *([pa.field("thumbnail", pa.binary())] if thumbnail else []),
            *(pa.field(name, types[kind]) for name, kind in attributes.items()),
        ]
    )


def rejects_schema() -> pa.Schema:
    """Return the Arrow schema of the reject ledger."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("position", pa.int64(), nullable=False),
            *(
                pa.field(name, pa.string(), nullable=False)
                for name in ("id", "uri", "reason", "error")
            ),
        ]
    )


def matrix(piece: pa.RecordBatch) -> np.ndarray:
    """Return the embeddings of a record batch as float32 [N, D]."""
    flat = piece[EMBEDDING].flatten().to_numpy(zero_copy_only=False)
    numbers: np.ndarray = flat.astype(np.float32)
    return numbers.reshape(len(piece), -1)
