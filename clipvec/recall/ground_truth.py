"""Queries and their exact neighbours, found once for each state of a store and kept beside it.

``queries-<kind>.npz`` holds ``vectors`` (float32 [Q, D], unit length), ``own`` (str [Q], the id of
the row that a query is, or "") and ``source`` (words); ``truth-<kind>.npz`` holds ``ids``
(str [Q, K], best first) and ``scores`` (float32 [Q, K], inner products). Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from clipvec import paths
from clipvec.errors import ConfigError, StoreError
from clipvec.progress import Progress
from clipvec.recall.exact_search import Nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from clipvec.recall.queries import Queries
    from clipvec.recall.results import Kind
    from clipvec.store import Rows

log = logging.getLogger(__name__)


_FORM = 2
"""Of the files, and of how queries are drawn; those of another form are not found."""


def truth(
    rows: Rows,
    kinds: Mapping[Kind, Callable[[], Queries]],
    asked: Mapping[Kind, Mapping[str, Any]],
    k: int,
    work: Path,
) -> Path:
    """Return the folder of the queries of each kind and their ``k`` exact neighbours.

    Args:
        rows: of the store.
        kinds: what draws the queries of each kind; not called when an earlier run has them.
        asked: JSON values that say which queries of a kind are meant.
        k: neighbours of each query.
        work: where the folder is made.

    Raises:
        ConfigError: there are not so many rows, or the queries cannot be had.
        StoreError: the store cannot be read.
    """
    _check(rows, kinds, k)
    keys = {kind: _key(rows, kind, asked[kind], k) for kind in kinds}
    # One folder has no more than was asked for: what is in it is what contestants are asked.
    folder = work / "truth" / _digest(sorted(keys.values()))
    folder.mkdir(parents=True, exist_ok=True)
    missing = [kind for kind, key in keys.items() if not _fetch(rows, folder, key, kind)]
    if missing:
        _find(rows, {kind: kinds[kind]() for kind in missing}, k, folder)
        for kind in missing:
            _keep(rows, folder, keys[kind], kind)
    return folder


def _check(rows: Rows, kinds: Mapping[Kind, object], k: int) -> None:
    """Refuse more neighbours than there are."""
    there = len(rows)
    if k > there:
        raise ConfigError(
            f"k={k}: {rows.store.url} has {there:,} rows; choose smaller measure.ks and measure.k"
        )
    if k == there and "image" in kinds:
        raise ConfigError(
            f"k={k}: {rows.store.url} has {there:,} rows, of which a query that is one of them "
            f"has {there - 1:,} neighbours; choose smaller measure.ks and measure.k, or ask for "
            "texts alone: queries.images=0"
        )


def _key(rows: Rows, kind: Kind, asked: Mapping[str, Any], k: int) -> str:
    """Return a digest of the rows and of what is asked of a kind."""
    parts = [(part.file, part.sha256) for part in rows.parts]
    return _digest([_FORM, parts, kind, dict(asked), k])


def _digest(about: object) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]


def _files(folder: Path, kind: str) -> list[Path]:
    """Return the files of a kind, the one that is written last behind."""
    return [paths.queries_file(folder, kind), paths.truth_file(folder, kind)]


def _fetch(rows: Rows, folder: Path, key: str, kind: str) -> bool:
    """Copy what an earlier run found; return whether there was such a run."""
    store = rows.store.folder
    there = store.names(paths.truth_dir(key))
    if any(file.name not in there for file in _files(folder, kind)):
        return False
    for file in _files(folder, kind):
        file.write_bytes(store.read(f"{paths.truth_dir(key)}/{file.name}"))
    log.info("exact neighbours of %s queries: found before, beside the store", kind)
    return True


def _keep(rows: Rows, folder: Path, key: str, kind: str) -> None:
    try:
        for file in _files(folder, kind):
            rows.store.folder.write(f"{paths.truth_dir(key)}/{file.name}", file.read_bytes())
    except StoreError as error:  # such as a store that others own
        log.warning("the exact neighbours are not kept for the next run: %s", error)


def _find(rows: Rows, queries: Mapping[Kind, Queries], k: int, folder: Path) -> None:
    """Search all rows, in one pass for all kinds, and write what was asked and found."""
    nearest = {kind: Nearest(asked.vectors, k, asked.own) for kind, asked in queries.items()}
    with Progress() as progress:
        task = progress.task("exact search", len(rows), "rows")
        for first, vectors in rows.chunks():
            for best in nearest.values():
                best.add(np.arange(first, first + len(vectors)), vectors)
            task.advance(len(vectors))
    for kind, asked in queries.items():
        found, scores = nearest[kind].found()
        known = rows.ids(np.concatenate([found.ravel(), asked.own]))
        ids, own = known[: found.size].reshape(found.shape), known[found.size :]
        about = {"vectors": asked.vectors, "own": own, "source": np.array(asked.source)}
        _write(paths.queries_file(folder, kind), about)
        _write(paths.truth_file(folder, kind), {"ids": ids, "scores": scores})


def _write(file: Path, arrays: dict[str, np.ndarray]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **cast("dict[str, Any]", arrays))  # numpy's stub takes another option for it
    file.write_bytes(buffer.getvalue())
