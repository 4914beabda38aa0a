"""Columns that grow on disk: what is read is what was added, and in which form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from clipvec.index import columns
from clipvec.index.columns import Columns

TYPE = pa.large_string()
FEW = ["", "bird", None, "élan", "bird", "", "bird", None, "dog"] * 20
MANY = [f"number {number}" for number in range(180)]


def written(folder: Path, table: pa.Table, rows: int) -> tuple[pa.Table, bytes]:
    """Return a table that was added so many rows at once, as it is read, and its bytes."""
    file = folder / "columns.arrow"
    with Columns(folder / "work") as made:
        for start in range(0, len(table), rows):
            made.add(table.slice(start, rows).combine_chunks())
        made.write(file)
    return pa.ipc.open_file(pa.memory_map(str(file))).read_all(), file.read_bytes()


def test_texts_of_which_few_differ_are_a_dictionary(tmp_path: Path) -> None:
    table = pa.table({"few": pa.array(FEW, TYPE), "many": pa.array(MANY, TYPE)})
    read, whole = written(tmp_path, table, 180)
    assert read.schema.types == [pa.dictionary(pa.int32(), TYPE), TYPE]
    assert read["few"].chunk(0).dictionary.to_pylist() == ["", "bird", "élan", "dog"]
    assert (read["few"].to_pylist(), read["many"].to_pylist()) == (FEW, MANY)
    assert read["few"].null_count == 40
    for rows in (1, 7, 64):
        assert written(tmp_path, table, rows)[1] == whole


def test_a_dictionary_has_the_words_of_its_rows_alone(tmp_path: Path) -> None:
    parts = pa.array(["gone", "b", "b", "a"]).dictionary_encode()
    read, _ = written(tmp_path, pa.table({"part": parts}).slice(1), 2)
    assert read["part"].chunk(0).dictionary.to_pylist() == ["b", "a"]
    assert read["part"].to_pylist() == ["b", "b", "a"]


@pytest.mark.parametrize(
    ("texts", "coded"), [(["a", "a", "b", "b", "b"], True), (["a", "b"], False)]
)
def test_a_dictionary_pays_where_texts_come_twice(
    tmp_path: Path, texts: list[str], coded: bool
) -> None:
    read, _ = written(tmp_path, pa.table({"s": pa.array(texts, TYPE)}), 2)
    assert pa.types.is_dictionary(read["s"].type) == coded
    assert read["s"].to_pylist() == texts


def test_words_are_held_up_to_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "_BLOCK", 4)
    table = pa.table({"s": pa.array([*"abcd"] * 8, TYPE)})
    for limit, coded in ((36, True), (35, False)):  # a byte and an end of 8 for each
        monkeypatch.setattr(columns, "_WORDS_BYTES", limit)
        read, _ = written(tmp_path, table, 5)
        assert pa.types.is_dictionary(read["s"].type) == coded
        assert read["s"].to_pylist() == [*"abcd"] * 8


def test_columns_of_no_value(tmp_path: Path) -> None:
    table = pa.table({"s": pa.nulls(9, TYPE), "n": pa.nulls(9, pa.int64())})
    read, _ = written(tmp_path, table, 4)
    assert read.to_pydict() == {"s": [None] * 9, "n": [None] * 9}


def test_numbers_and_truths(tmp_path: Path) -> None:
    numbers = np.arange(20, dtype=np.int64)
    truths = [None if number % 5 == 0 else bool(number % 2) for number in range(20)]
    read, _ = written(tmp_path, pa.table({"n": numbers, "b": truths}), 3)
    assert read["n"].to_numpy().tolist() == numbers.tolist()
    assert read["b"].to_pylist() == truths
