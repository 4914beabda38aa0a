"""How many rows filters leave, and which values their attributes have."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from cachetools import TTLCache

from clipvec.errors import ConfigError
from clipvec.index import filters
from clipvec.service import schema
from clipvec.service.batches import Batches

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from clipvec.index import VectorIndex

_KEPT, _SECONDS = 64, 5.0
"""Answers that are kept, and how long: rows may be deleted meanwhile."""
_AT_ONCE = 8
_NO_VALUES = frozenset({"uri", "caption"})
"""Columns of which nearly every value is another."""

Question = tuple[tuple[str, ...], tuple[str, ...]]
"""Attributes whose values are counted, and filters."""


class FacetCounts:
    """Counts in a thread of its own: a million rows take it 5 to 150 ms for each attribute."""

    def __init__(self, collection: VectorIndex) -> None:
        self._collection = collection
        known = {**filters.BUILT_IN, **collection.attributes}
        self._types = {key: kind for key, kind in known.items() if key not in _NO_VALUES}
        self._kept: TTLCache[Question, schema.Facets] = TTLCache(_KEPT, _SECONDS)
        self._thread = ThreadPoolExecutor(1, "facets")
        self._batches = Batches("facets", self._answer, _AT_ONCE, self._thread)

    async def __call__(self, keys: Sequence[str], where: Sequence[str]) -> schema.Facets:
        """Return what is left by all of some filters.

        Raises:
            ConfigError: a filter is not one for this collection, or there is no such attribute.
        """
        for key in keys:
            if key not in self._types:
                known = ", ".join(self._types)
                raise ConfigError(f"key: there is no attribute {key[:200]}; choose from {known}")
        return await self._batches((tuple(sorted({*keys})), tuple(sorted({*where}))))

    def close(self) -> None:
        """Finish running work."""
        self._thread.shutdown()
        del self._batches  # which holds this, and so the index

    def _answer(self, questions: Sequence[Question]) -> list[schema.Facets | Exception]:
        found: list[schema.Facets | Exception] = []
        for question in questions:
            try:
                if question not in self._kept:
                    self._kept[question] = self._count(*question)
                found.append(self._kept[question])
            except Exception as error:
                found.append(error)
        return found

    def _count(self, keys: Sequence[str], where: Sequence[str]) -> schema.Facets:
        chosen = filters.parse(where, self._collection.attributes)
        counted = self._collection.facets(keys, chosen)
        if counted is None:
            rows = self._collection.count() if chosen is None else None
            return schema.Facets(rows=rows, attributes={})
        attributes = {
            key: _facet(self._types[key], values, counted.rows)
            for key, values in counted.values.items()
        }
        return schema.Facets(rows=counted.rows, attributes=attributes)


def _facet(kind: str, values: pa.Table, rows: int) -> schema.Facet:
    import pyarrow.compute as pc

    order = [("count", "descending"), ("value", "ascending")]
    first = values.take(pc.select_k_unstable(values, schema.MAX_VALUES, order))
    ends = pc.min_max(values["value"]).as_py()
    return schema.Facet(
        type=kind,
        distinct=len(values),
        missing=rows - (pc.sum(values["count"]).as_py() or 0),
        least=ends["min"],
        most=ends["max"],
        values=[schema.ValueCount(**value) for value in first.to_pylist()],
    )
