"""Names of sources of which no row is left, as digests in the lists of a store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from clipvec.store.generations import current
from clipvec.store.schema import image_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from clipvec.store.generations import Generation, Generations

_HIDDEN = b".removed-"
"""Before the digest of a name of which no row is left; no such file is there to be embedded."""


def are_alike(one: pa.Table, other: pa.Table) -> bool:
    """Return whether lists are of the same files; names may be hidden in one of them."""
    import pyarrow.compute as pc

    told = ["size", "version"]
    if len(one) != len(other) or not one.select(told).equals(other.select(told)):
        return False
    hidden = (pc.starts_with(each["name"], pattern=_HIDDEN) for each in (one, other))
    same = pc.equal(one["name"], other["name"])
    return bool(pc.all(pc.or_(same, pc.or_(*hidden)), min_count=0).as_py())


def hide_names(lists: Generations, removed: set[tuple[int, int]]) -> None:
    """Put digests in the place of the names of sources of which no row is left.

    That of a source which is embedded still, as after its file changed, stays.

    Args:
        lists: of the store.
        removed: generation and number of the sources whose rows were taken out of the files.

    Raises:
        StoreError: a plan cannot be read or written.
    """
    generations = lists.all()
    plans = [lists.plan(generation) for generation in generations]
    names = {
        each.number: plan["name"].to_pylist() for each, plan in zip(generations, plans, strict=True)
    }
    # a kill, or a list that was made meanwhile, leaves a name in one that others have no more
    gone = {_name_digest(names[number][source]) for number, source in removed}
    raw = {name for each in names.values() for name in each if not name.startswith(_HIDDEN)}
    hidden = {name for name in raw if gone and _name_digest(name) in gone}
    if hidden:
        hidden -= _live_names(generations, plans, removed)
    for generation, plan in zip(generations, plans, strict=True):
        if (changed := _hidden(plan, hidden)) is not None:
            lists.rewrite(generation, changed)
    lists.remove_others()


def _live_names(
    generations: Sequence[Generation], plans: Sequence[pa.Table], removed: set[tuple[int, int]]
) -> set[bytes]:
    """Return the names of the sources that are covered still, but for removed ones."""
    import pyarrow as pa

    known = current(generations, plans)
    places = zip(known["generation"].to_pylist(), known["source"].to_pylist(), strict=True)
    live = pa.array([place not in removed for place in places], pa.bool_())
    return set(known["name"].filter(live).to_pylist())


def _hidden(plan: pa.Table, names: set[bytes]) -> pa.Table | None:
    """Return a plan with digests in the place of some names, and of their details; None: of none.

    What a source is called and what was written beside it tells of the image.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column = plan["name"]
    mask = pc.is_in(column, value_set=pa.array([*names], column.type)).to_pylist()
    if not any(mask):
        return None
    for name, digest in (("name", _name_digest), ("detail", _detail_digest)):
        pairs = zip(plan[name].to_pylist(), mask, strict=True)
        values = [digest(value) if hide else value for value, hide in pairs]
        plan = _with_column(plan, name, values)
    return plan


def _with_column(table: pa.Table, name: str, values: list[object]) -> pa.Table:
    """Return a table with other values in one of its columns."""
    import pyarrow as pa

    at = table.schema.get_field_index(name)
    field = table.schema.field(at)
    return table.set_column(at, field, pa.array(values, field.type))


def revealed(known: pa.Table, listing: pa.Table) -> pa.Table:
    """Return sources that a store covers with the names of those that are listed still.

    Args:
        known: as `current` returns them, some with digests in the place of their names.
        listing: of the dataset as it is now.
    """
    import pyarrow.compute as pc

    hidden = pc.starts_with(known["name"], pattern=_HIDDEN).to_numpy()
    if not hidden.any():
        return known
    names, details = known["name"].to_pylist(), known["detail"].to_pylist()
    listed = zip(listing["name"].to_pylist(), listing["detail"].to_pylist(), strict=True)
    places = {_name_digest(name): (name, detail) for name, detail in listed}
    for at in np.flatnonzero(hidden):
        name, detail = places.get(names[at], (names[at], details[at]))
        names[at] = name
        if details[at] == _detail_digest(detail):
            details[at] = detail
    return _with_column(_with_column(known, "name", names), "detail", details)


def _name_digest(name: bytes) -> bytes:
    """Return what takes the place of a name; of that, itself."""
    if name.startswith(_HIDDEN):
        return name
    return _HIDDEN + image_digest(name).hex().encode()


def _detail_digest(detail: str | None) -> str | None:
    """Return what takes the place of the detail of a source: JSON too, for whoever reads it."""
    return None if detail is None else json.dumps({"removed": image_digest(detail.encode()).hex()})
