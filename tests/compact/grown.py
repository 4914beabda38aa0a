"""A store that grows without a model: its sources are names, each with one image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from clipvec.compact.run import compact
from clipvec.config import ChromaConfig, IndexKind
from clipvec.store import REPLACED, Entry, Generation, Row, Store, deleted_rows
from clipvec.store.schema import image_digest
from tests.compact.conftest import asked, live
from tests.stores import delete, make_store, row

PLACE = "/photos"
"""The folder that the images would be in."""
Place = tuple[int, int]
"""Generation and number of a source."""


def grown(root: Path | str, days: int, *, each: int = 3) -> Store:
    """Return a store of 20 images to which some were added each day."""
    store = grow(make_store(root, {}, count=1), [f"first-{n:02}" for n in range(20)])
    for day in range(1, days + 1):
        store = grow(store, [f"day-{day:03}-{n}" for n in range(each)])
    return store


def grow(
    store: Store,
    new: Iterable[str],
    replaced: Mapping[str, Place] | None = None,
    gone: Mapping[str, Place] | None = None,
    *,
    rejected: Iterable[str] = (),
) -> Store:
    """Publish a generation, as embed does, and return the store as it is then.

    It has one shard; none if there is nothing ``new``.

    Args:
        store: to add to.
        new: names of the images.
        replaced: where those of them were that changed.
        gone: images that are no longer there.
        rejected: those of ``new`` that cannot be embedded.
    """
    plan, replaced, gone = [*new], replaced or {}, gone or {}
    newest = store.generations.newest()
    number, first = (newest.number + 1, newest.stop) if newest.plan else (0, 0)
    olds = [*(replaced.get(name) for name in plan), *gone.values()]
    count = 1 if plan else 0
    store.generations.add(number, first, count, len(plan), _plan([*plan, *gone], olds))
    if plan:
        _embed(store, first, plan, number, {*rejected})
    if number:
        places = np.array([old for old in olds if old], np.int64).reshape(-1, 2)
        rows_gone = deleted_rows(store.again(), places)
        store.entries.add(Entry.now("replaced or gone", rows_gone, generation=number))
    return store.again()


def _embed(store: Store, shard: int, plan: list[str], number: int, rejected: set[str]) -> None:
    writer, made = store.writer(shard), [name for name in plan if name not in rejected]
    for name in sorted(rejected):
        writer.reject(plan.index(name), name, name, "it is no image", "Undecodable")
    if made:
        rows = [_row(name, plan.index(name), number) for name in made]
        vectors = np.random.default_rng(number).normal(size=(len(made), 16))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        writer.write_part(rows, vectors, len(plan))
    writer.commit({"seconds": 1.0, "images": len(made), "embedded": len(made)})


def planned(store: Store, name: str) -> Generation:
    """Plan a generation as embed does, and leave it at that."""
    newest = store.generations.newest()
    return store.generations.add(newest.number + 1, newest.stop, 1, 1, _plan([name], [None]))[0]


def _plan(names: list[str], olds: list[Place | None]) -> pa.Table:
    columns: dict[str, Any] = {"name": pa.array([name.encode() for name in names], pa.binary())}
    columns |= {"size": pa.array([1] * len(names), pa.int64())}
    columns |= {name: pa.nulls(len(names), pa.string()) for name in ("version", "detail")}
    for at, name in enumerate(REPLACED):
        columns[name] = pa.array([old and old[at] for old in olds], pa.int64())
    return pa.table(columns).replace_schema_metadata({"place": PLACE})


def _row(name: str, source: int, number: int) -> Row:
    made = row(number, source, f"JPEG of {name} in {number}".encode())
    values = {field: getattr(made, field) for field in Row.__slots__}
    own = {"id": name, "uri": f"toys/{name}", "source": source}
    return Row(**{**values, **own, "digest": image_digest(f"{name} in {number}".encode())})


def shown(store: Store) -> dict[str, dict[str, Any]]:
    """Return the rows that readers see, by id, without what only their generation gives them."""
    rows = live(store)
    for each in rows.values():
        del each["_source"]
    return rows


def compacted(store: Store, tmp_path: Path, index: IndexKind | None = None) -> str:
    return str(compact(asked(store, index or ChromaConfig(f"{tmp_path}/none"))))


def numbers(store: Store) -> list[int]:
    return [each.number for each in Store.open(store.url).generations.all()]


def changed(tmp_path: Path) -> Store:
    """Return a store in which images changed, went, came again and were deleted."""
    store = grown(tmp_path, 2)
    store = grow(store, ["first-03", "new", "broken"], {"first-03": (0, 3)}, rejected=["broken"])
    store = grow(store, ["day-001-0"], {"day-001-0": (1, 0)}, {"first-04": (0, 4)})
    delete(store, "day-001-1", "first-05", reason="asked for")
    return grow(store.again(), ["day-001-1", "last"], {"day-001-1": (1, 1)})
