"""Texts to token ids without torch, and how many of them a text tower needs to see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class EndOfText:
    """The token of a text behind which nothing counts."""

    id: int | None
    """None: it is the greatest id of a text."""

    def lengths(self, tokens: np.ndarray) -> np.ndarray:
        """Return how many tokens of each text count: int64 [N] of token ids [N, L]."""
        lengths: np.ndarray = (tokens if self.id is None else tokens == self.id).argmax(axis=1) + 1
        return lengths


def passes(tokens: np.ndarray, end: EndOfText | None) -> list[tuple[np.ndarray, int]]:
    """Return which rows to encode together, and how many of their tokens.

    Texts of up to 16, 32, 64, ... tokens go together, so that a long one does not make short ones
    many times as dear, and there are few passes.

    Args:
        tokens: token ids, padded to the model's context length, int64 [N, L].
        end: what marks the end of a text; None: all tokens of all rows are needed.
    """
    full = tokens.shape[1]
    if end is None or not len(tokens):
        return [(np.arange(len(tokens)), full)]
    lengths = end.lengths(tokens)
    steps = np.ceil(np.log2(np.maximum(lengths, 16)))
    rows = [np.flatnonzero(steps == step) for step in np.unique(steps)]
    return [(some, int(lengths[some].max())) for some in rows]
