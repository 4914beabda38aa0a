"""Queries: held-out images of the store, and texts."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec.config import SyntheticConfig, from_dict
from clipvec.data import Distribution, drawn_lines
from clipvec.errors import ConfigError, FingerprintError
from clipvec.model import encode_texts
from clipvec.recall.workload import QuerySet
from clipvec.store import draw_captions, has_captions
from clipvec.vectors import unit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clipvec.config import QueriesConfig
    from clipvec.recall.results import Kind
    from clipvec.store import Rows


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class QuerySource:
    """Queries of one kind, not drawn until they are needed."""

    options: Mapping[str, Any]
    """JSON values that, with the store, determine the queries."""
    draw: Callable[[], QuerySet]


def sources(config: QueriesConfig, rows: Rows) -> dict[Kind, QuerySource]:
    """Return the sources of the kinds that are asked for, the harder kind first.

    Raises:
        ConfigError: no kind is asked for, only texts are and there are none, or the text file does
            not fit the store.
    """
    found: dict[Kind, QuerySource] = {}
    seed = config.seed
    texts = _text_source(config, rows) if config.texts else None
    if texts is not None:
        found["text"] = texts
    if config.images:
        options = {"kind": "image", "count": config.images, "seed": seed}
        found["image"] = QuerySource(options, lambda: images(rows, config.images, seed))
    if not found:
        raise ConfigError("queries.images=0 queries.texts=0: there is nothing to ask; give one")
    return found


def _text_source(config: QueriesConfig, rows: Rows) -> QuerySource | None:
    """Return where texts come from; None: images are asked for too, and there are no texts."""
    count, seed, file = config.texts, config.seed, config.text_file
    options = {"kind": "text", "count": count, "seed": seed}
    if rows.store.fingerprint.dataset["kind"] == "synthetic":
        if file:
            raise ConfigError(
                f"queries.text_file={file}: the vectors of {rows.store.url} are synthetic, so no "
                "model can encode texts for them; leave it out, and text vectors are drawn too"
            )
        return QuerySource(options, lambda: drawn_texts(rows, count, seed))
    if not file and not has_captions(rows):
        if not config.images:
            raise ConfigError(
                f"{rows.store.url} has no captions to use as queries; give texts of your own, one "
                "a line, with queries.text_file=FILE, or ask with images: queries.images=1000"
            )
        log.warning(
            "%s has no captions: only images are asked for; queries.text_file=FILE asks for texts "
            "of your own, one a line",
            rows.store.url,
        )
        return None
    lines = drawn_lines("queries.text_file", file, count, seed) if file else None

    def draw() -> QuerySet:
        texts = lines or draw_captions(rows, count, seed)
        source = f"lines of {file}" if lines else "captions of the store, each once"
        return encode(rows, texts, source)

    return QuerySource({**options, "lines": lines}, draw)


def images(rows: Rows, count: int, seed: int) -> QuerySet:
    """Return at most ``count`` rows in random order; only the parts that hold them are read."""
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.choice(len(rows), min(count, len(rows)), replace=False))
    vectors = unit(rows.vectors(drawn))
    # The first of them, which are asked under filters and timed first, are from all over the store.
    order = rng.permutation(len(drawn))
    source = "rows of the store, each held out of its own answer"
    return QuerySet(vectors[order], drawn[order].astype(np.int64), source)


def drawn_texts(rows: Rows, count: int, seed: int) -> QuerySet:
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
    return QuerySet(distribution.texts(count, seed), np.full(count, -1, np.int64), "drawn texts")


def encode(rows: Rows, texts: list[str], source: str) -> QuerySet:
    """Return texts as the store's own model encodes them.

    Raises:
        FingerprintError: the model that loads under its name is another one.
    """
    vectors = encode_texts(rows.store, texts)
    return QuerySet(vectors, np.full(len(texts), -1, np.int64), source)
