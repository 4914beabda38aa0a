"""Which rows of a store are meant: by their ids, or by a filter."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from clipvec.config import admitting
from clipvec.data import open_text
from clipvec.errors import ConfigError
from clipvec.index import filters
from clipvec.locations import expanded
from clipvec.progress import Progress, counted
from clipvec.store import DIGEST, DeletedRows, id_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    import pyarrow as pa

    from clipvec.store import LivePart, Store

_SHOWN = 3
"""Ids that a message names."""


def by_ids(store: Store, ids: set[str], ignore_missing: bool) -> dict[str, DeletedRows]:
    """Return the rows of some ids, by part file; those deleted before are left out.

    Raises:
        ConfigError: some ids are not in the store, and ``ignore_missing`` is not set.
        StoreError: a part cannot be read.
    """

    def wanted(piece: pa.RecordBatch) -> list[str]:
        return [id for id in piece["id"].to_pylist() if id in ids]

    parts = store.parts()
    found = _select(store, parts, ["id"], wanted)
    gone = {*store.tombstones.among(ids)}
    missing = sorted(ids - gone - {id for rows in found.values() for id in rows.ids})
    if missing and not ignore_missing:
        raise ConfigError(
            f"not in {store.url}: {', '.join(missing[:_SHOWN])} ({len(missing):,} of "
            f"{counted(len(ids), 'id')}); nothing was deleted: give ids as search shows them, or "
            "ignore_missing=true to delete the others"
        )
    return found


def by_filter(
    store: Store, texts: Sequence[str], most: float
) -> tuple[dict[str, DeletedRows], str]:
    """Return the rows that satisfy all filters, by part file, and what is to be given for so many.

    Args:
        store: where the rows are.
        texts: the filters, as `clipvec.index.filters.parse` takes them.
        most: largest share of the rows that is deleted without more ado.

    Returns:
        The rows; and where they are more than ``most``, why they are refused and what admits them.

    Raises:
        ConfigError: a filter is malformed.
        StoreError: a part cannot be read.
    """
    chosen = filters.parse(texts, store.fingerprint.attributes)
    assert chosen is not None
    keys = sorted(filters.keys(chosen))

    def wanted(piece: pa.RecordBatch) -> list[str]:
        mask = filters.mask(chosen, {key: piece[key] for key in keys})
        return [str(id) for id in piece["id"].filter(mask).to_pylist()]

    parts = store.parts()
    found = _select(store, parts, ["id", *keys], wanted)
    rows, count = sum(part.rows for part in parts), sum(len(f.ids) for f in found.values())
    # in the other form, count > most * rows, the share that the message names may be refused again
    if not count or count / rows <= most:
        return found, ""
    return found, (
        f"where {chosen} is satisfied by {count:,} of {counted(rows, 'row')}, more than "
        f"max_removed_fraction={most}; if all of these are meant, give "
        f"max_removed_fraction={admitting(count / rows)}"
    )


def digests(store: Store, ids: set[str]) -> set[str]:
    """Return the digests of ids, and of the images of their rows, deleted ones too.

    Raises:
        StoreError: a part cannot be read.
    """
    found = set(map(id_digest, ids))
    entries = store.tombstones.active.values()
    removed = [row for e in entries for rows in e.parts.values() for row in rows.removed]
    images = {row.image for row in removed if row.id in found and row.image}
    for part in store.parts():
        for piece in store.read_all(part.part, ["id", DIGEST]):
            pairs = zip(piece["id"].to_pylist(), piece[DIGEST].to_pylist(), strict=True)
            images |= {digest.hex() for id, digest in pairs if id in ids and digest is not None}
    return found | images


def with_copies(
    store: Store, parts: Mapping[str, DeletedRows], blocked: Container[str]
) -> dict[str, DeletedRows]:
    """Return rows by part file, with all others whose images have one of some digests.

    Raises:
        StoreError: a part cannot be read.
    """

    def wanted(piece: pa.RecordBatch) -> list[str]:
        pairs = zip(piece["id"].to_pylist(), piece[DIGEST].to_pylist(), strict=True)
        return [id for id, digest in pairs if digest is not None and digest.hex() in blocked]

    found = dict(parts)
    for file, rows in _select(store, store.parts(), ["id", DIGEST], wanted).items():
        known = found.get(file, replace(rows, ids=[]))
        found[file] = replace(known, ids=[*dict.fromkeys([*known.ids, *rows.ids])])
    return found


def read_ids(file: str) -> set[str]:
    """Return the lines of a text file that are not empty.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        with open_text(expanded(file), "utf-8-sig") as stream:
            text = stream.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"file={file}: {error}; give a UTF-8 text file, an id a line") from error
    # not splitlines(): ids may hold the characters that Unicode takes for line ends
    return {line.removesuffix("\r") for line in text.split("\n") if line.strip()}


def _select(
    store: Store,
    parts: Sequence[LivePart],
    columns: Sequence[str],
    wanted: Callable[[pa.RecordBatch], list[str]],
) -> dict[str, DeletedRows]:
    """Return the wanted ids of each part that has some."""
    found = {}
    with Progress() as progress:
        task = progress.task("rows", sum(part.rows for part in parts), "rows")
        for part in parts:
            ids = [id for piece in store.read(part, columns) for id in wanted(piece)]
            if ids:
                found[part.file] = DeletedRows(part.sha256, ids)
            task.advance(part.rows)
    return found
