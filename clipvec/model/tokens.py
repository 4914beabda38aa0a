"""Texts to token ids without torch, and how many of them a text tower needs to see."""

from __future__ import annotations

import html
import os
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True)
class EndOfText:
    """The token that marks where the tokens of a text end that count."""

    id: int | None
    """None: it is the greatest id of a text."""
    padding: bool = False
    """It fills the rest of a text, and does not count itself."""

    def lengths(self, tokens: np.ndarray) -> np.ndarray:
        """Return how many tokens of each text count: int64 [N] of token ids [N, L]."""
        if self.padding:  # which may occur inside a text too; of one that is all padding, all count
            lengths: np.ndarray = tokens.shape[1] - (tokens != self.id)[:, ::-1].argmax(axis=1)
        else:
            lengths = (tokens if self.id is None else tokens == self.id).argmax(axis=1) + 1
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


@dataclass(frozen=True)
class Rules:
    """What open_clip does to texts and token ids around a ``tokenizers`` tokenizer."""

    clean: Literal["lower", "whitespace", "canonicalize"]
    """open_clip's name of the cleaning."""
    words: str | None
    """Pattern of the words that are tokenized each for itself; None: the tokenizer knows."""
    blank: int | None
    """Id that becomes 0; None: none does."""


class Tokenizer:
    """What an open_clip tokenizer does, without torch.

    Args:
        file: the tokenizer, in the format of ``tokenizers``, with its truncation and padding.
        rules: what is done around it.
    """

    def __init__(self, file: Path, rules: Rules) -> None:
        import regex
        import tokenizers

        # As open_clip does: its threads would not survive a fork, and do not speed up queries.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        self._tokenizer = tokenizers.Tokenizer.from_file(str(file))
        padding = self._tokenizer.padding or {}
        self._length: int = padding["length"]
        self._clean = CLEANINGS[rules.clean]
        self._words = regex.compile(rules.words, regex.IGNORECASE) if rules.words else None
        self._blank = rules.blank

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Return token ids, int64 [N, L]."""
        given: list[str] | list[list[str]] = [self._clean(text) for text in texts]
        if self._words is not None:
            given = [self._words.findall(text) for text in given]
        encoded = self._tokenizer.encode_batch(given, is_pretokenized=self._words is not None)
        ids = np.array([one.ids for one in encoded], np.int64).reshape(len(texts), self._length)
        if self._blank is not None:
            ids[ids == self._blank] = 0
        return ids


def _basic(text: str) -> str:
    import ftfy

    return html.unescape(html.unescape(ftfy.fix_text(text))).strip()


def _whitespace(text: str) -> str:
    return " ".join(_basic(text).split())


def _lower(text: str) -> str:
    return _whitespace(text).lower()


def _canonicalize(text: str) -> str:
    return " ".join(_basic(text).replace("_", " ").translate(_NO_PUNCTUATION).lower().split())


_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
CLEANINGS = {"lower": _lower, "whitespace": _whitespace, "canonicalize": _canonicalize}
"""The cleanings of open_clip/tokenizer.py, which cannot be imported without torch."""
