"""Captions of a store, drawn at random."""

from __future__ import annotations

import hashlib
import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clipvec.store.rows import Rows


def draw_captions(rows: Rows, count: int, seed: int) -> list[str]:
    """Return at most ``count`` different captions, in random order; none if the store has none.

    Which are drawn depends on the captions and the seed, and not on the order of the rows.
    """
    # The captions of smallest keyed hash: one pass, no memory of the others, none drawn twice.
    drawn: list[tuple[int, str]] = []
    seen: set[str] = set()
    for _, piece in rows.pieces(["caption"]):
        for caption in piece["caption"].to_pylist():
            if not caption or not caption.strip() or caption in seen:
                continue
            entry = (-keyed_hash(caption, seed), caption)
            if len(drawn) < count:
                heapq.heappush(drawn, entry)
            elif entry > drawn[0]:
                seen.discard(heapq.heapreplace(drawn, entry)[1])
            else:
                continue
            seen.add(caption)
    return [caption for _, caption in sorted(drawn, reverse=True)]


def has_captions(rows: Rows) -> bool:
    """Return whether any row has a caption; it is read up to the first."""
    pieces = (piece["caption"].to_pylist() for _, piece in rows.pieces(["caption"]))
    return any(caption and caption.strip() for captions in pieces for caption in captions)


def keyed_hash(text: str, seed: int) -> int:
    """Return 64 bits that stand for a text: the smallest of many are a sample drawn by ``seed``."""
    key = seed.to_bytes(8, "little", signed=True)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8, key=key).digest(), "little")
