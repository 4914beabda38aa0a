"""The stores whose models are evaluated: finished, and of the same images."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from clipvec import paths, shards
from clipvec.errors import ConfigError, IncompleteStoreError
from clipvec.progress import counted
from clipvec.store import Rows, current, keyed_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipvec.config import EvaluateConfig

_MEND = "models are compared on the same images: embed the same dataset with both"


def open_stores(config: EvaluateConfig) -> list[Rows]:
    """Return the rows of the model's store, and of those that it is compared with.

    Raises:
        ConfigError: a store is named twice.
        IncompleteStoreError: one is not finished.
        StoreError: one cannot be read.
    """
    root, dataset = config.store.root, config.dataset.name
    places = [
        name if "/" in name else paths.store_dir(root, dataset, name)
        for name in (config.model.name, *config.others)
    ]
    found: dict[str, Rows] = {}
    for place in places:
        rows = Rows.open(place)
        if rows.store.url in found:
            raise ConfigError(
                f"against={rows.store.model['name']}: {rows.store.url} is evaluated already; name "
                "the models of other stores"
            )
        _check_finished(rows)
        found[rows.store.url] = rows
    return list(found.values())


def model_names(stores: Sequence[Rows]) -> list[str]:
    """Return what to call the model of each store: its name, or the store where names repeat."""
    names = [str(rows.store.model["name"]) for rows in stores]
    return [
        name if names.count(name) == 1 else rows.store.url
        for name, rows in zip(names, stores, strict=True)
    ]


def _check_finished(rows: Rows) -> None:
    """Refuse a store that has no rows, or of which shards are not committed."""
    store = rows.store
    lacking: dict[int, str] = {}
    if missing := sorted(set(store.shards) - set(store.complete(lacking=lacking))):
        why = (
            f"; shard {min(lacking)} was committed, but {lacking[min(lacking)]}" if lacking else ""
        )
        raise IncompleteStoreError(
            f"{store.url} is not finished: it lacks {counted(len(missing), 'shard')} "
            f"({shards.format(missing)}){why}; run the clipvec embed that began it again"
        )
    if not len(rows):
        raise IncompleteStoreError(
            f"{store.url} has no rows; embed images with clipvec embed first"
        )


def check_same_images(stores: Sequence[Rows], label: str | None) -> None:
    """Refuse to compare models by different images, captions or labels.

    Args:
        stores: in which rows may come in any order.
        label: attribute that has to be the same.

    Raises:
        ConfigError: with the two stores and what differs.
    """
    first, *others = stores
    columns = ["id", "caption", *([label] if label else [])]
    content, sources = (_content(first, columns), _sources(first)) if others else (0, {})
    for other in others:
        if differing := sorted(
            name for name, value in _sources(other).items() if sources.get(name, value) != value
        ):
            name = differing[0]
            raise ConfigError(
                f"{first.store.url} was made of dataset {name} {_brief(sources[name])} and "
                f"{other.store.url} of {_brief(_sources(other)[name])}; {_MEND}"
            )
        if len(other) == len(first) and _content(other, columns) == content:
            continue
        differ = "" if len(other) != len(first) else f" of other {' or '.join(columns)}"
        raise ConfigError(
            f"{first.store.url} has {len(first):,} images and {other.store.url} "
            f"{len(other):,}{differ}; {_MEND}, and delete the same rows"
        )


def _sources(rows: Rows) -> dict[str, object]:
    """Return what a store's rows were made of, whatever the dataset was called."""
    known: dict[str, object] = {
        name: value for name, value in rows.store.fingerprint.dataset.items() if name != "name"
    }
    generations = rows.store.generations
    published = [each for each in generations.all() if each.plan and rows.store.is_published(each)]
    if published:
        # Names may be hidden after deletions; sizes and versions tell of changed files as well.
        listed = current(published, [generations.plan(each) for each in published])
        total = 0
        for piece in listed.select(["size", "version"]).to_batches():
            for values in zip(*(column.to_pylist() for column in piece.columns), strict=True):
                total += keyed_hash(json.dumps(values), 0)
        known["files"] = f"{len(listed):,} ({total % 2**64:016x})"
    return known


def _brief(value: object) -> str:
    return f"{text[:12]}…" if len(text := str(value)) == 64 else text


def _content(rows: Rows, columns: Sequence[str]) -> int:
    """Return a number that is the same for the same rows, in whatever order."""
    total = 0
    for _, piece in rows.pieces(columns):
        for values in zip(*(piece[name].to_pylist() for name in columns), strict=True):
            total += keyed_hash(json.dumps(values), 0)
    return total
