"""What a benchmark asks: held-out images of a store, and texts."""

from __future__ import annotations

import hashlib
import heapq
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clipvec.config import SyntheticConfig, from_dict
from clipvec.data import Distribution
from clipvec.errors import ConfigError, FingerprintError
from clipvec.vectors import unit

if TYPE_CHECKING:
    from clipvec.store import Rows


@dataclass(frozen=True)
class Queries:
    """Queries of one kind."""

    vectors: np.ndarray
    """float32 [Q, D], unit length."""
    own: np.ndarray
    """int64 [Q]: the row that the query is; -1: none."""
    source: str
    """Where they came from, in words."""


def images(rows: Rows, count: int, seed: int) -> Queries:
    """Return at most ``count`` rows in random order; only the parts that hold them are read."""
    rng = np.random.default_rng(seed)
    own = np.sort(rng.choice(len(rows), min(count, len(rows)), replace=False))
    vectors = unit(rows.vectors(own))
    # The first of them, which are asked under filters and timed first, are from all over the store.
    order = rng.permutation(len(own))
    return Queries(
        vectors[order],
        own[order].astype(np.int64),
        "rows of the store, each held out of its own answer",
    )


def drawn_texts(rows: Rows, count: int, seed: int) -> Queries:
    """Return ``count`` texts for a store of ``dataset=synthetic``, drawn like its vectors.

    Raises:
        FingerprintError: another version of clipvec drew the store's vectors.
    """
    fingerprint = rows.store.fingerprint
    about = {key: value for key, value in fingerprint.dataset.items() if key != "digest"}
    distribution = Distribution(from_dict(about, SyntheticConfig))
    if distribution.digest() != fingerprint.model.weights:
        raise FingerprintError(
            f"{rows.store.url} was drawn by clipvec {fingerprint.code}, from which this version "
            "draws differently; embed it again into another store.root"
        )
    return Queries(distribution.texts(count, seed), np.full(count, -1, np.int64), "drawn texts")


def captions(rows: Rows, count: int, seed: int) -> list[str]:
    """Return at most ``count`` different captions of the store, drawn at random.

    Raises:
        ConfigError: there are none.
    """
    # The captions of smallest keyed hash: one pass, no memory of the others, none drawn twice.
    key = seed.to_bytes(8, "little", signed=True)
    drawn: list[tuple[int, str]] = []
    seen: set[str] = set()
    for _, piece in rows.pieces(["caption"]):
        for caption in piece["caption"].to_pylist():
            if not caption or not caption.strip() or caption in seen:
                continue
            digest = hashlib.blake2b(caption.encode(), digest_size=8, key=key).digest()
            entry = (-int.from_bytes(digest, "little"), caption)
            if len(drawn) < count:
                heapq.heappush(drawn, entry)
            elif entry > drawn[0]:
                seen.discard(heapq.heapreplace(drawn, entry)[1])
            else:
                continue
            seen.add(caption)
    if not drawn:
        raise ConfigError(
            f"{rows.store.url} has no captions to ask; give texts of your own, one a line, with "
            "queries.prompts=FILE, or ask for images alone: queries.texts=0"
        )
    return [caption for _, caption in sorted(drawn, reverse=True)]


def prompts(file: str, count: int, seed: int) -> list[str]:
    """Return at most ``count`` lines of a text file that are not empty, each once, at random.

    Raises:
        ConfigError: it cannot be read, or holds none.
    """
    try:
        lines = Path(file).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"queries.prompts={file}: {error}; give a UTF-8 text file") from error
    found = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not found:
        raise ConfigError(f"queries.prompts={file} has no lines; write one query on each")
    order = np.random.default_rng(seed).permutation(len(found))
    return [found[place] for place in order[:count]]
