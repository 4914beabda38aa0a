"""Counts of the values of columns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from clipvec.index import facets


def test_words_and_texts_are_counted_alike() -> None:
    """Partitions may hold a column in either form."""
    texts = pa.array(["a", "b", None, "a"], pa.large_string())
    coded, some = texts.dictionary_encode(), np.array([1, 2])
    one = facets.count({"s": texts}, 4)
    assert facets.count({"s": coded}, 4) == one
    merged = facets.merge([one, facets.count({"s": coded}, 4), facets.count({"s": coded}, 2, some)])
    assert merged.rows == 10
    counted = merged.values["s"].sort_by("value").to_pydict()
    assert counted == {"value": ["a", "b"], "count": [4, 3]}
