"""The table of rows beside an index answers as the index does, and exactly."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from clipvec import paths
from clipvec.config import ChromaConfig
from clipvec.errors import CollectionError, ConfigError
from clipvec.index import VectorIndex, build_index, filters, mapped, open_index, rows, rows_writer
from clipvec.index.chroma.collection import ChromaIndex
from clipvec.index.columns import Columns
from clipvec.index.live import LiveIndex
from clipvec.index.load import batches
from clipvec.index.mapped import MappedIndex
from clipvec.index.rows import RowsTable
from clipvec.store import LivePart, Store, matrix
from tests.index.conftest import build_config
from tests.stores import delete, flip, make_store, write_shard

FILTERS = [
    *('{"category": "bird"}', '{"category": {"$ne": "bird"}}', '{"nice": true}'),
    *('{"stars": {"$gte": 2}}', '{"stars": {"$ne": 3}}', '{"stars": {"$nin": [0, 1]}}'),
    *('{"ratio": {"$lt": 2.5}}', '{"width": {"$in": [101, 108, 9999]}}', '{"caption": "toy <3>"}'),
    '{"$or": [{"stars": 1}, {"$and": [{"nice": false}, {"ratio": {"$gt": 4}}]}]}',
    '{"uri": "toys-1.tar#7"}',
    '{"width": {"$gt": 9999}}',
]


def folder_of(root: Path) -> Path:
    return root / "index" / "toys--toy"


def opened(root: Path, *, bare: bool = False) -> VectorIndex:
    return open_index(ChromaConfig(f"{root}/index"), bare=bare)


def is_mapped(index: VectorIndex) -> bool:
    return isinstance(index, LiveIndex) and isinstance(index.held, MappedIndex)


def build(root: Path, **changes: object) -> None:
    build_index(build_config(root / "store", ChromaConfig(f"{root}/index"), **changes))


def vectors_of(root: Path) -> dict[str, np.ndarray]:
    store = Store.open(str(root / "store/toys/toy"))
    pieces = [piece for part in store.parts() for piece in store.read(part)]
    return {id: v for p in pieces for id, v in zip(p["id"].to_pylist(), matrix(p), strict=True)}


@pytest.mark.parametrize("few", [rows.FEW, 0])
def test_answers_are_those_of_the_index(
    root: Path, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """Of few rows by comparing all, of more by asking the index."""
    monkeypatch.setattr(mapped, "FEW", few)
    queries = np.random.default_rng(1).normal(size=(5, 16)).astype(np.float32)
    with opened(root) as index, opened(root, bare=True) as bare:
        assert is_mapped(index)
        assert not is_mapped(bare)
        assert index.count() == bare.count() == 140
        wheres = [None, *(filters.parse([text], index.attributes) for text in FILTERS)]
        for where in wheres:
            for mine, other in zip(
                index.query_many(queries, 9, where), bare.query_many(queries, 9, where), strict=True
            ):
                assert [hit.id for hit in mine] == [hit.id for hit in other], where
                for one, two in zip(mine, other, strict=True):
                    assert one.score == pytest.approx(two.score, abs=2e-6)
                    assert (one.attributes, one.caption) == (two.attributes, two.caption)
        ids = ["0/0", "1/69", "nobody", "0/35", "1/0"]
        assert index.get(ids) == bare.get(ids)
        assert list(index.vectors(ids)) == ["0/0", "1/69", "0/35", "1/0"]
        for id, vector in bare.vectors(ids).items():
            np.testing.assert_allclose(index.vectors(ids)[id], vector, atol=1e-6)
        assert index.get([]) == index.vectors([]) == {}
        assert index.sample(20).shape == (20, 16)
        assert (index.settings, index.build_id) == (bare.settings, bare.build_id)
        assert index.build_stats == bare.build_stats


@pytest.mark.parametrize("few", [rows.FEW, 0])
def test_filters_of_texts_are_the_tables_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(mapped, "FEW", few)
    vector = np.ones(16, np.float32)
    wanted = {f"{shard}/{n}" for shard in (0, 1) for n in range(70) if n % 7 and "1" in str(n)}
    where = filters.parse(["caption~<", "caption~1"], {})
    with opened(root) as index, opened(root, bare=True) as bare:
        assert {hit.id for hit in index.query(vector, 200, where)} == wanted
        after = index.query(vector, 200, filters.parse(["uri>=toys-1"], {}))
        assert {hit.id for hit in after} == {f"1/{n}" for n in range(70)}
        with pytest.raises(ConfigError, match="Chroma itself neither looks into texts"):
            bare.query(vector, 5, where)
        assert bare.facets([]) is None


@pytest.mark.parametrize("few", [rows.FEW, 0])
def test_few_rows_are_compared_exactly(
    root: Path, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """Whether their vectors lie in single precision, or as the store has them."""
    monkeypatch.setattr(rows_writer, "FEW", few)
    paths.RowsPaths(folder_of(root)).mark.unlink()
    build(root)
    files = paths.RowsPaths(folder_of(root))
    assert np.load(files.vectors, mmap_mode="r").dtype == (np.float32 if few else np.float16)
    vectors = vectors_of(root)
    unit = {id: v.astype(np.float64) / np.linalg.norm(v.astype(float)) for id, v in vectors.items()}
    query = np.random.default_rng(2).normal(size=16)
    query /= np.linalg.norm(query)
    wanted = sorted(((float(v @ query), id) for id, v in unit.items()), reverse=True)
    with opened(root) as index:
        for k in (1, 7, 140, 1000):
            hits = index.query(query.astype(np.float32) * 3, k)
            assert [hit.id for hit in hits] == [id for _, id in wanted[:k]]
            assert [h.score for h in hits] == pytest.approx([s for s, _ in wanted[:k]], abs=1e-6)


@pytest.mark.parametrize(("together", "asked"), [(1, 0), (2, 1)])
def test_partitions_share_what_is_compared_exactly(
    root: Path, monkeypatch: pytest.MonkeyPatch, together: int, asked: int
) -> None:
    monkeypatch.setattr(mapped, "FEW", 140 * 16)
    table = RowsTable.find(folder_of(root))
    assert table is not None
    with opened(root, bare=True) as bare:
        calls = []
        nearest = bare.nearest
        monkeypatch.setattr(bare, "nearest", lambda *given: calls.append(given) or nearest(*given))
        index = MappedIndex(bare, table, together)
        assert len(index.query(np.ones(16, np.float32), 9)) == 9
    assert len(calls) == asked


def test_rows_that_the_index_does_not_reach(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "FEW", 0)
    nearest = ChromaIndex.nearest

    def short(*arguments: Any) -> list[tuple[list[str], list[float]]]:
        return [(ids[:3], scores[:3]) for ids, scores in nearest(*arguments)]

    monkeypatch.setattr(ChromaIndex, "nearest", short)
    with opened(root) as index:
        assert len(index.query(np.ones(16, np.float32), 9)) == 9


def test_rows_that_the_table_does_not_know(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They were added since it was opened, and take no place in its answers."""
    monkeypatch.setattr(mapped, "FEW", 0)
    nearest = ChromaIndex.nearest

    def newer(*arguments: Any) -> list[tuple[list[str], list[float]]]:
        return [(["new", *ids[:-1]], scores) for ids, scores in nearest(*arguments)]

    with opened(root) as index:
        before = index.query(np.ones(16, np.float32), 9)
    monkeypatch.setattr(ChromaIndex, "nearest", newer)
    with opened(root) as index:
        after = index.query(np.ones(16, np.float32), 9)
    assert [hit.id for hit in after] == [hit.id for hit in before]
    assert [hit.score for hit in after] == pytest.approx([hit.score for hit in before], abs=1e-6)


def made_table(vectors: np.ndarray) -> RowsTable:
    numbers = np.arange(len(vectors), dtype=np.uint64)
    norms = np.linalg.norm(vectors.astype(np.float32), axis=1)
    columns = {"_norm": norms, "_hash": numbers, "_hash_row": numbers}
    return RowsTable({name: pa.array(column) for name, column in columns.items()}, vectors)


@pytest.mark.parametrize("k", [1, 30, 100, 250, 1000])
def test_the_best_of_all_blocks(monkeypatch: pytest.MonkeyPatch, k: int) -> None:
    monkeypatch.setattr(rows, "_SCORED", 64)
    monkeypatch.setattr(rows, "BATCH", 24)
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(300, 4)).astype(np.float32)
    queries = rng.normal(size=(3, 4)).astype(np.float32)
    table = made_table(vectors)
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float64)
    for among in (None, np.arange(0, 300, 2)):
        chosen = np.arange(300) if among is None else among
        for query, (found, scores) in zip(queries, table.nearest(queries, k, among), strict=True):
            exact = unit[chosen] @ (query / np.linalg.norm(query))
            order = np.argsort(-exact)[:k]
            assert found.tolist() == chosen[order].tolist()
            np.testing.assert_allclose(scores, exact[order], atol=1e-6)


def test_few_scores_are_held() -> None:
    """Rows of one score come in their order."""
    table = made_table(np.ones((500_000, 2), np.float16))
    queries = np.ones((64, 2), np.float32)
    tracemalloc.start()
    ((found, _), *_) = table.nearest(queries, 5)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.tolist() == [0, 1, 2, 3, 4]
    assert peak < 64 * 500_000 * 4 / 3


def test_ids_of_one_hash(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (rows, rows_writer):
        monkeypatch.setattr(module, "id_hash", len)
    paths.RowsPaths(folder_of(root)).mark.unlink()
    build(root)
    with opened(root) as index:
        assert [hit.uri for hit in index.get(["1/12", "0/7", "1/999"]).values()] == [
            "toys-1.tar#12",
            "toys-0.tar#7",
        ]


def test_the_table_follows_the_index(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open(str(root / "store/toys/toy"))
    for name in ("done.json", "part-00000.parquet", "part-00001.parquet"):
        Path(store.folder.path(f"shard-00001/{name}")).unlink()
    write_shard(store, 1, [50], seed=7)
    monkeypatch.setattr("clipvec.index.build.verify", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build(root)
    assert not paths.RowsPaths(folder_of(root)).mark.exists()
    with opened(root) as index:
        assert not is_mapped(index)
    monkeypatch.undo()
    read: list[str] = []

    def noted(store: Store, parts: list[LivePart], batch_rows: int) -> Any:
        read.extend(part.file for part in parts)
        return batches(store, parts, batch_rows)

    monkeypatch.setattr(rows_writer, "batches", noted)
    build(root)
    assert read == ["shard-00001/part-00000.parquet"]  # the others are copied
    files = paths.RowsPaths(folder_of(root))
    assert not files.stale.exists()
    assert rows.table_fault(folder_of(root)) is None
    with opened(root) as index, opened(root, bare=True) as bare:
        assert is_mapped(index)
        assert index.count() == 120
        ids = list(vectors_of(root))
        assert index.get(ids) == bare.get(ids)
        vector = vectors_of(root)["1/49"]
        assert index.query(vector, 1)[0].id == "1/49"
    build(root, rebuild=True)
    with opened(root) as index:
        assert is_mapped(index)


def test_a_table_that_is_copied_from_leaves_no_trace(root: Path) -> None:
    """Not in the dictionaries of its texts either."""
    store, files = Store.open(str(root / "store/toys/toy")), paths.RowsPaths(folder_of(root))
    gone = store.parts()[0]
    rows_writer.retire(folder_of(root))
    rows_writer.write(folder_of(root), store, store.parts()[1:])
    grown = files.columns.read_bytes()
    files.mark.unlink()
    rows_writer.write(folder_of(root), store, store.parts()[1:])
    assert files.columns.read_bytes() == grown
    assert gone.file.encode() not in grown
    table = RowsTable.open(files)
    coded = {name for name, c in table._columns.items() if pa.types.is_dictionary(c.type)}
    assert coded == {"category", "_part"}


def test_a_damaged_table_is_not_copied_from(root: Path) -> None:
    files, right = paths.RowsPaths(folder_of(root)), vectors_of(root)
    flip(files.vectors, files.vectors.stat().st_size - 2)
    rows_writer.retire(folder_of(root))
    build(root)
    assert rows.table_fault(folder_of(root)) is None
    with opened(root) as index:
        for id, vector in index.vectors([*right]).items():
            np.testing.assert_array_equal(vector, right[id].astype(np.float32))


def test_nothing_is_left_of_rows_that_are_gone(root: Path) -> None:
    files, store = paths.RowsPaths(folder_of(root)), Store.open(str(root / "store/toys/toy"))
    delete(store, *vectors_of(root))
    build(root)
    assert not any(file.exists() for file in (files.mark, files.stale, *files.both))


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_table_of_other_parts_is_replaced(root: Path) -> None:
    files = paths.RowsPaths(folder_of(root))
    before = files.mark.stat().st_mtime_ns
    build(root)
    assert files.mark.stat().st_mtime_ns == before
    store = Store.open(str(root / "store/toys/toy"))
    rows_writer.write(folder_of(root), store, store.parts()[:1])
    with opened(root) as index:  # it has fewer rows than the index
        assert not is_mapped(index)
    build(root)
    with opened(root) as index:
        assert is_mapped(index)


@pytest.mark.parametrize("name", ["columns", "vectors"])
def test_a_damaged_table_is_left_out(
    root: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    file: Path = getattr(paths.RowsPaths(folder_of(root)), name)
    os.truncate(file, file.stat().st_size // 2)
    with caplog.at_level(logging.WARNING), opened(root) as index:
        assert not is_mapped(index)
        assert len(index.query(np.ones(16, np.float32), 3)) == 3
    (message,) = caplog.messages
    assert f"toys--toy is damaged ({file.name} changed after " in message
    mark = paths.RowsPaths(folder_of(root)).mark
    assert f"; remove {mark} and run clipvec index, which writes it anew; " in message
    mark.unlink()
    build(root)
    with opened(root) as index:
        assert is_mapped(index)


@pytest.mark.parametrize("name", ["columns", "vectors"])
def test_each_byte_of_the_table_is_checked(root: Path, name: str) -> None:
    assert rows.table_fault(folder_of(root)) is None
    file: Path = getattr(paths.RowsPaths(folder_of(root)), name)
    right = file.read_bytes()
    for at in range(0, len(right), max(1, len(right) // 50)):
        file.write_bytes(right[:at] + bytes([right[at] ^ 1]) + right[at + 1 :])
        assert "is damaged (" in (rows.table_fault(folder_of(root)) or ""), at


def test_a_table_that_cannot_be_written(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index is whole without it, and is answered from, even after its first loading."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Columns, "write", full)
    with pytest.raises(CollectionError, match=r"its rows cannot be written \(.*\); free space, or"):
        build(root, rebuild=True)
    shutil.rmtree(root / "index")
    with pytest.raises(CollectionError, match="No space left"):
        build(root)
    with opened(root) as index:
        assert not is_mapped(index)
        assert index.count() == 140


def test_no_object_of_a_row_is_held_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the columns in Arrow's memory."""
    monkeypatch.setattr(rows_writer, "BATCH", 500)
    store = make_store(tmp_path / "store", {0: [1000] * 60})
    tracemalloc.start()
    rows_writer.write(tmp_path, store, store.parts())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak / 60_000 < 80  # an id and a hash as Python objects take as much


def test_few_bytes_a_row_are_held_in_memory(root: Path) -> None:
    """What is opened is mapped; nothing is kept by row."""
    table = RowsTable.find(folder_of(root))
    assert table is not None
    assert isinstance(table._vectors, np.memmap)
    assert not table._norms.flags.owndata
    assert json.dumps(sorted(table.find_ids(["0/1", "0/2"]).values())) == "[1, 2]"
