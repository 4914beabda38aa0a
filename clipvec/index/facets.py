"""How many rows there are, and how often each value of an attribute occurs among them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from clipvec.index.base import PART

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from clipvec.store import Tombstones

_BLOCK = 2**16
"""Rows that are looked at at once."""


@dataclass(frozen=True)
class Facets:
    """What was counted."""

    rows: int
    values: dict[str, pa.Table] = field(default_factory=dict)
    """By attribute: ``value``, all that occur, each once, and ``count``, int64."""


def count(columns: Mapping[str, pa.Array], held: int, rows: np.ndarray | None = None) -> Facets:
    """Count the values of columns.

    Args:
        columns: by name, N values each; null and NaN are no values.
        held: rows that are counted.
        rows: these rows, int64 [``held``]; None: all.
    """
    import pyarrow as pa

    chosen = None if rows is None else pa.array(rows)
    some = {name: c if chosen is None else c.take(chosen) for name, c in columns.items()}
    return Facets(held, {name: _counted(column) for name, column in some.items()})


def deleted(columns: Mapping[str, pa.Array], known: Tombstones, removed: bool) -> np.ndarray:
    """Return which rows are deleted, ascending, int64 [M].

    Args:
        columns: ``id`` and ``_part`` of all rows.
        known: what is deleted.
        removed: whether there may be rows that are in no file any more, of whose ids but digests
            are known: that of each id is made.
    """
    found: list[int] = []
    for start in range(0, len(columns["id"]) if known else 0, _BLOCK):
        ids, parts = (columns[name].slice(start, _BLOCK).to_pylist() for name in ("id", PART))
        among = {*known.among(ids, removed)}
        rows = enumerate(zip(parts, ids, strict=True), start)
        found += [row for row, (part, id) in rows if id in among and known.covers(part, id)]
    return np.array(found, np.int64)


def _counted(column: pa.Array) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    words = column.dictionary if pa.types.is_dictionary(column.type) else None
    counted = (column if words is None else column.indices).drop_null().value_counts()
    values = counted.field("values")
    values = values if words is None else words.take(values)
    return pa.table({"value": values, "count": counted.field("counts")})


def merge(several: Sequence[Facets]) -> Facets:
    """Return what was counted of several indexes, as of one."""
    import pyarrow as pa

    keys = {key for each in several for key in each.values}
    values = {
        key: pa.concat_tables([each.values[key] for each in several if key in each.values])
        .group_by("value")
        .aggregate([("count", "sum")])
        .rename_columns({"count_sum": "count"})
        for key in keys
    }
    return Facets(sum(each.rows for each in several), values)
