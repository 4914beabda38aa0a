"""Filters: parsed, written as JSON, applied to columns, and answered by Chroma."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import chromadb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from clipvec.errors import ConfigError
from clipvec.index import filters
from clipvec.index.chroma.collection import to_chroma
from clipvec.index.filters import And, Comparison, Filter, Or
from tests.stores import ATTRIBUTES

TYPES = {"n": "int", "f": "float", "s": "string", "b": "bool"}
BIG = 2**53
ROWS: list[dict[str, Any]] = [
    {"n": 1, "f": 1.0, "s": "a", "b": True},
    {"n": 2, "f": 2.5, "s": "b", "b": False},
    {"n": 3, "f": -2.5, "s": "c"},
    {"n": BIG, "f": float(BIG), "s": "a", "b": True},
    {"n": BIG + 1, "f": float(BIG + 2)},
    {"n": -(2**63), "f": 1e300},
    {"n": 2**63 - 1, "b": False},
    {"s": "b"},
    {"f": -0.0},
    {"f": 0.0},
]
COLUMNS = {
    name: pa.array([row.get(name) for row in ROWS], kind)
    for name, kind in zip("nfsb", (pa.int64(), pa.float64(), pa.string(), pa.bool_()), strict=True)
}


CODED = COLUMNS | {"s": COLUMNS["s"].dictionary_encode()}
"""Texts as numbers of words."""


def admitted(chosen: Filter) -> list[int]:
    found = filters.mask(chosen, COLUMNS)
    np.testing.assert_array_equal(filters.mask(chosen, CODED), found)
    return np.flatnonzero(found).tolist()


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromadb.Collection]:
    """`ROWS` in Chroma."""
    from clipvec.index.chroma.client import close

    client = chromadb.PersistentClient(str(tmp_path_factory.mktemp("chroma")))
    made = client.create_collection("rows", embedding_function=None)
    ids = [str(i) for i in range(len(ROWS))]
    made.add(ids=ids, embeddings=np.eye(len(ROWS), dtype=np.float32), metadatas=ROWS)
    yield made
    close(client)  # type: ignore[arg-type]


NUMBERS = st.sampled_from(
    [0, -0.0, 1, 2, 2.5, -2.5, -2, 3.0, BIG, BIG + 1, BIG + 2, -BIG - 1, 2**63 - 1]
)
OPERANDS = {"n": NUMBERS, "f": NUMBERS, "s": st.sampled_from("abcd"), "b": st.booleans()}


@st.composite
def comparisons(draw: st.DrawFn) -> dict[str, Any]:
    key = draw(st.sampled_from("nfsb"))
    ordered = ["$gt", "$gte", "$lt", "$lte"] if key in "nf" else []
    operator = draw(st.sampled_from(["$eq", "$ne", "$in", "$nin", *ordered]))
    operand = OPERANDS[key]
    wanted = st.lists(operand, min_size=1, max_size=3) if "in" in operator else operand
    return {key: {operator: draw(wanted)}}


TREES = st.recursive(
    comparisons(),
    lambda some: st.dictionaries(
        st.sampled_from(["$and", "$or"]),
        st.lists(some, min_size=2, max_size=3),
        min_size=1,
        max_size=1,
    ),
    max_leaves=5,
)


@settings(deadline=None, max_examples=200)
@given(where=TREES)
def test_chroma_and_the_mask_admit_the_same_rows(
    rows: chromadb.Collection, where: dict[str, Any]
) -> None:
    try:
        chosen = filters.from_json(where, TYPES)
    except ConfigError:  # such as n = 2.5
        reject()
    found = rows.get(where=to_chroma(chosen), include=[])["ids"]
    assert sorted(map(int, found)) == admitted(chosen)
    assert filters.from_json(json.loads(json.dumps(filters.to_json(chosen))), TYPES) == chosen


@pytest.mark.parametrize(
    ("text", "chosen", "found"),
    [
        ("n>=2.5", Comparison("n", ">=", 3), [2, 3, 4, 6]),
        ("n>2.5", Comparison("n", ">=", 3), [2, 3, 4, 6]),
        ("n<2.5", Comparison("n", "<=", 2), [0, 1, 5]),
        ("n<=-2.5", Comparison("n", "<=", -3), [5]),
        ("n>=2.0", Comparison("n", ">=", 2), [1, 2, 3, 4, 6]),
        (f"n>{BIG}", Comparison("n", ">", BIG), [4, 6]),
        (f"f>={BIG + 1}", Comparison("f", ">=", float(BIG + 2)), [4, 5]),
        (f"f<{BIG + 1}", Comparison("f", "<=", float(BIG)), [0, 1, 2, 3, 8, 9]),
        ("f=1", Comparison("f", "=", 1.0), [0]),
        ("f=0", Comparison("f", "=", 0.0), [8, 9]),
        ("f=-0.0", Comparison("f", "=", 0.0), [8, 9]),
        ("s!=a", Comparison("s", "!=", "a"), [1, 2, 4, 5, 6, 7, 8, 9]),
    ],
)
def test_bounds_between_two_values_of_the_type(text: str, chosen: Filter, found: list[int]) -> None:
    parsed = filters.parse([text], TYPES)
    assert parsed == chosen
    assert parsed is not None
    assert admitted(parsed) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour=red", "there is no attribute colour; choose from uri, caption, width, height, c"),
        ("stars=many", "'many' is not of type int"),
        ("stars=2.5", "where stars=2.5: no int equals 2.5; the nearest ones are 2 and 3"),
        ("stars!=2.5", "no int equals 2.5"),
        (f"ratio={BIG + 1}", f"no float equals {BIG + 1}; the nearest ones are {float(BIG)} and"),
        ("stars<1e19", "where stars<1e19: stars < takes a value of type int"),
        ("ratio<inf", "ratio < takes a value of type float"),
        ("ratio<nan", "ratio < takes a value of type float"),
        ("nice=1", "'1' is not true or false"),
        ("nice>true", "nice is of type bool; its operators are = ($eq), != ($ne), in ($in), not"),
        ("stars~3", "stars is of type int; its operators are = ($eq), != ($ne), > ($gt), >="),
        ('{"caption": {"$contains": 3}}', "caption contains takes a value of type string"),
        (
            "caption>2020-13-45",
            "where caption>2020-13-45: there is no day 2020-13-45: month must be",
        ),
        ('{"caption": {"$lt": "2021-02-29T10:00"}}', "there is no day 2021-02-29: day"),
        ("bird", "write key=value with one of = != > >= < <= and ~ (contains), or a JSON"),
        ("{'a': 1}", "is not JSON"),
        ('{"stars": {"$in": [1, 2.5]}}', "no int equals 2.5"),
        ('{"stars": {"$in": 1}}', "stars in takes a list of type int"),
        ('{"stars": {"$foo": 1}}', "stars is of type int; its operators are = ($eq)"),
        (
            r'{"caption": "\ud800"}',
            r'{"caption": "\ud800"}: caption = takes a value of type string in',
        ),
        (r'{"uri": {"$in": ["\ud800"]}}', "uri in takes a list of type string in UTF-8"),
        ('{"$and": [{"stars": 1}]}', "$and takes a list of at least 2 filters"),
    ],
)
def test_bad_filters(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        filters.parse([text], ATTRIBUTES)
    assert message in str(caught.value)


def test_long_filters_hold_nobody_up() -> None:
    started = time.process_time()
    value = f"a{' ' * 100_000}b"
    assert filters.parse([f" caption = {value} "], ATTRIBUTES) == Comparison("caption", "=", value)
    with pytest.raises(ConfigError, match="is not JSON: maximum recursion depth exceeded"):
        filters.parse([f'{{"caption": {"[" * 10_000}'], ATTRIBUTES)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("s~RED", [0, 1, 4]),
        ("s ~ d c", [1]),
        ("s~.", [3]),
        ("s~élan", [4]),
        ("s~", [0, 1, 2, 3, 4]),
        ('{"s": {"$contains": "blue"}}', [2]),
        ("s>=a blue", [1, 2, 4]),
        ("s<2025-01-01", [3]),
    ],
)
def test_within_texts_and_in_their_order(text: str, found: list[int]) -> None:
    texts = ["a Red bird", "a red car", "a blue car", "2024-12-31T23.59", "ÉLAN, red", None]
    held, chosen = pa.array(texts), filters.parse([text], TYPES)
    assert chosen is not None
    for column in (held, held.dictionary_encode()):
        assert np.flatnonzero(filters.mask(chosen, {"s": column})).tolist() == found
    assert filters.from_json(filters.to_json(chosen), TYPES) == chosen
    assert filters.is_of_texts(chosen)
    with pytest.raises(ConfigError, match="Chroma itself neither looks into texts nor orders"):
        to_chroma(chosen)


def test_several_filters_must_all_hold() -> None:
    assert filters.parse([], {}) is None
    assert filters.parse(["caption = a = b "], {}) == Comparison("caption", "=", "a = b")
    either = '{"$or": [{"width": 3}, {"height": {"$in": [4, 5]}}]}'
    both = filters.parse([either, "width<9"], {})
    assert both == And(
        (
            Or((Comparison("width", "=", 3), Comparison("height", "in", (4, 5)))),
            Comparison("width", "<", 9),
        )
    )
    assert str(both) == "(width = 3 or height in (4, 5)) and width < 9"
    assert filters.keys(both) == {"width", "height"}


def test_columns_of_numpy_with_missing_values() -> None:
    columns = {"f": np.array([1.0, np.nan, 3.0]), "n": np.arange(3, dtype=np.int32)}
    assert filters.mask(Comparison("f", "<", 5.0), columns).tolist() == [True, False, True]
    assert filters.mask(Comparison("f", "!=", 1.0), columns).tolist() == [False, True, True]
    assert filters.mask(Comparison("n", "in", (2, 2**40)), columns).tolist() == [False, False, True]


@pytest.mark.parametrize(
    "given",
    [
        {"$or": [{"width": 1}] * 257},
        {"$and": [{"$or": [{"width": 1}] * 200}, {"$or": [{"width": 1}] * 200}]},
        {"width": {"$in": list(range(1001))}},
        {"$or": [{"width": {"$nin": list(range(501))}}] * 2},
    ],
    ids=["comparisons", "of branches", "values", "of lists"],
)
def test_larger_filters(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^where: a filter has at most 256 comparisons and 1,0"):
        filters.from_json(given, {})
    with pytest.raises(ConfigError, match=r"^where: a filter has at most"):
        filters.parse([json.dumps(given), "width=1"], {})
