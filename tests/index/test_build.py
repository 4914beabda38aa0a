from __future__ import annotations

import contextlib
import json
import logging
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from clipvec.config import ChromaConfig, ChromaHttpConfig, IndexConfig
from clipvec.errors import (
    CollectionError,
    ConfigError,
    FingerprintError,
    IncompleteStoreError,
    SchemaError,
)
from clipvec.index import open_index
from clipvec.index.backend import open_backend
from clipvec.index.base import PART, BuildStats
from clipvec.index.build import IndexSummary, build_index
from clipvec.index.chroma.client import MARK, OLD, REBUILD, client_factory, close
from clipvec.index.chroma.writer import CollectionWriter, metadata
from clipvec.index.load import batches, groups
from clipvec.store import Store, matrix
from tests.index.conftest import build_config
from tests.stores import StoreFactory, row, write_shard

NAME = "toys--toy"
ChromaKind = ChromaConfig | ChromaHttpConfig


def rows_of(store: Store) -> dict[str, np.ndarray]:
    """Return every row of the store: id and vector."""
    found: dict[str, np.ndarray] = {}
    for part in store.parts():
        for piece in store.read(part):
            found |= dict(zip(piece["id"].to_pylist(), matrix(piece), strict=True))
    return found


def assert_equal(index: IndexConfig, store: Store) -> None:
    wanted = rows_of(store)
    with open_index(index, NAME, bare=True) as opened:
        there = opened.vectors([*wanted])
        assert opened.count() == len(wanted)
    assert set(there) == set(wanted)
    for id, vector in wanted.items():
        np.testing.assert_allclose(there[id], vector, rtol=1e-5)


def test_the_last_line_counts_rows() -> None:
    assert "one--sample: 1 row; 1 part loaded, " in str(IndexSummary("one--sample", "x", 1, 1))
    assert ": 1,234 rows; " in str(IndexSummary("one--sample", "x", 1234))


def test_holds_the_rows_of_the_store(
    index: IndexConfig, tmp_path: Path, store_factory: StoreFactory
) -> None:
    store = store_factory(tmp_path, {0: [70, 30], 1: [250], 2: []})
    summary = build_index(build_config(tmp_path, index))
    assert (summary.rows, summary.loaded, summary.reused, summary.replaced) == (350, 3, 0, 0)
    assert summary.verified == "100 of 100 rows found by their own vectors"
    assert_equal(index, store)
    with open_index(index, NAME) as collection:
        assert collection.fingerprint == store.fingerprint
        assert collection.model_config.name == "toy"
        hit = collection.query(rows_of(store)["0/71"], 1)[0]
    assert hit.score == pytest.approx(1, abs=1e-5)
    assert (hit.id, hit.uri, hit.caption, hit.width, hit.height) == (
        *("0/71", "toys-0.tar#71", "toy <71>"),
        *(171, 80),
    )
    assert hit.attributes == {"category": "fish", "stars": 3, "ratio": 71 / 8, "nice": False}
    assert (hit.part, hit.row) == ("shard-00000/part-00001.parquet", 1)


def test_a_second_run_loads_only_new_parts(
    index: IndexConfig, tmp_path: Path, store_factory: StoreFactory
) -> None:
    store = store_factory(tmp_path, {0: [50, 20]}, count=2)
    first = build_index(build_config(tmp_path, index, allow_partial=True))
    assert (first.loaded, first.rows) == (2, 70)
    write_shard(store, 1, [30])
    second = build_index(build_config(tmp_path, index))
    assert (second.loaded, second.reused, second.rows) == (1, 2, 100)
    third = build_index(build_config(tmp_path, index))
    assert (third.loaded, third.reused, third.rows) == (0, 3, 100)
    assert "rows/s" not in str(third)
    assert_equal(index, store)


def test_a_collection_keeps_its_build_stats(
    index: IndexConfig, tmp_path: Path, store_factory: StoreFactory
) -> None:
    """As long as one run loaded it all."""

    def known() -> BuildStats | None:
        with open_index(index, NAME) as collection:
            return collection.build_stats

    store = store_factory(tmp_path, {0: [50, 20]}, count=2)
    build_index(build_config(tmp_path, index, allow_partial=True))
    first = known()
    assert first is not None
    assert first.rows == 70
    assert 0 < first.seconds < 60
    # on a server, whoever loads it does not hold it
    assert (first.peak_bytes is None) == isinstance(index, ChromaHttpConfig)
    assert first.peak_bytes is None or 50e6 < first.peak_bytes < 5e9
    build_index(build_config(tmp_path, index, allow_partial=True))
    assert known() == first
    write_shard(store, 1, [30])
    build_index(build_config(tmp_path, index))
    assert known() is None
    build_index(build_config(tmp_path, index, rebuild=True))
    again = known()
    assert again is not None
    assert again.rows == 100


def test_a_changed_shard_is_replaced(
    index: IndexConfig, tmp_path: Path, store_factory: StoreFactory
) -> None:
    store = store_factory(tmp_path, {0: [50, 20], 1: [40]})
    build_index(build_config(tmp_path, index))
    shutil.rmtree(Path(store.url) / "shard-00000")
    write_shard(store, 0, [60], seed=1)
    summary = build_index(build_config(tmp_path, index))
    assert (summary.loaded, summary.reused, summary.replaced, summary.dropped) == (0, 1, 1, 1)
    assert summary.rows == 100
    assert_equal(index, store)


def test_a_half_loaded_part_is_reloaded(
    chroma: ChromaKind, tmp_path: Path, store_factory: StoreFactory
) -> None:
    store = store_factory(tmp_path, {0: [50], 1: [40]})
    config = build_config(tmp_path, chroma)
    (part,) = store.parts([1])
    with CollectionWriter(client_factory(chroma), NAME, store, config.hnsw) as writer:
        with contextlib.suppress(KeyboardInterrupt), writer.loading([part]):
            junk = pa.table({"id": ["1/0", "left over"], PART: [part.file] * 2})
            writer.add(np.ones((2, 16), np.float32), junk)
            raise KeyboardInterrupt
        assert writer.ledger()[part.file].state == "loading"
    summary = build_index(config)
    assert (summary.loaded, summary.replaced) == (1, 1)
    assert_equal(chroma, store)


def test_missing_shards_are_named(tmp_path: Path, folder: Any, store_factory: StoreFactory) -> None:
    store_factory(tmp_path, {0: [5], 3: [5]}, count=6)
    with pytest.raises(IncompleteStoreError) as caught:
        build_index(build_config(tmp_path, folder))
    text = str(caught.value)
    assert " lacks 4 of 6 shards: 1-2,4-5; add 'shards=[1-2,4-5]' to the clipvec embed" in text
    assert "allow_partial=true" in text


def test_another_fingerprint_is_refused(
    index: IndexConfig, tmp_path: Path, store_factory: StoreFactory
) -> None:
    store_factory(tmp_path / "a", {0: [20]})
    other = store_factory(tmp_path / "b", {0: [20]}, weights="x" * 64)
    build_index(build_config(tmp_path / "a", index))
    with pytest.raises(FingerprintError, match=r"weights www.*xxx.*--rebuild"):
        build_index(build_config(tmp_path / "b", index))
    build_index(build_config(tmp_path / "b", index, rebuild=True))
    with open_index(index) as collection:
        assert collection.fingerprint == other.fingerprint
    assert open_backend(index).names() == [NAME]


def test_other_hnsw_settings(
    chroma: ChromaKind,
    tmp_path: Path,
    store_factory: StoreFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = store_factory(tmp_path, {0: [20]})
    build_index(build_config(tmp_path, chroma))
    wider = {"max_neighbors": 32, "ef_construction": 100, "ef_search": 100}
    with pytest.raises(ConfigError, match=r"hnsw.max_neighbors=16, not 32.*--rebuild"):
        build_index(build_config(tmp_path, chroma, hnsw=wider))
    assert build_index(build_config(tmp_path, chroma, hnsw=wider, rebuild=True)).loaded == 1
    searched = build_config(tmp_path, chroma, hnsw=wider | {"ef_search": 7})
    caplog.clear()
    with caplog.at_level(logging.INFO, "clipvec.index.chroma.writer"):
        assert build_index(searched).reused == 1
    assert caplog.messages == [f"{NAME}: ef_search: 100 → 7 (hnsw.ef_search)"]
    with open_index(chroma, NAME, bare=True) as collection:
        assert collection._rows.configuration_json["hnsw"]["ef_search"] == 7
    assert_equal(chroma, store)


def test_rebuild_survives_a_stop_between_the_renames(
    chroma: ChromaKind, tmp_path: Path, store_factory: StoreFactory
) -> None:
    store = store_factory(tmp_path, {0: [20]})
    build_index(build_config(tmp_path, chroma))
    place = client_factory(chroma)
    place.rename(NAME, NAME + OLD)
    with CollectionWriter(place, NAME + REBUILD, store, build_config(tmp_path, chroma).hnsw):
        pass
    assert place.names() == [NAME + OLD, NAME + REBUILD]
    assert build_index(build_config(tmp_path, chroma)).reused == 1
    assert place.names() == [NAME]
    assert_equal(chroma, store)


def test_a_collection_of_something_else_is_refused(
    chroma: ChromaKind, tmp_path: Path, store_factory: StoreFactory
) -> None:
    store_factory(tmp_path, {0: [20]})
    client = client_factory(chroma).connect(NAME)
    client.create_collection(NAME, embedding_function=None).add(ids=["a"], embeddings=[[1.0]])
    close(client)
    for rebuild in (False, True):
        with pytest.raises(CollectionError, match="not made by clipvec"):
            build_index(build_config(tmp_path, chroma, rebuild=rebuild))


def test_a_folder_of_something_else_is_refused(
    folder: ChromaConfig, tmp_path: Path, store_factory: StoreFactory
) -> None:
    store_factory(tmp_path, {0: [20]})
    other = Path(folder.path) / NAME
    other.mkdir(parents=True)
    (other / "photo.jpg").write_bytes(b"x")
    for rebuild in (False, True):
        with pytest.raises(CollectionError, match="not empty and not a Chroma database"):
            build_index(build_config(tmp_path, folder, rebuild=rebuild))
    assert [path.name for path in other.iterdir()] == ["photo.jpg"]


def test_a_damaged_database_is_repaired_by_rebuild(
    folder: ChromaConfig, tmp_path: Path, store_factory: StoreFactory
) -> None:
    store = store_factory(tmp_path, {0: [20]})
    path = Path(folder.path) / NAME / "chroma.sqlite3"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(CollectionError, match=r"not a Chroma database.*--rebuild"):
        build_index(build_config(tmp_path, folder))
    build_index(build_config(tmp_path, folder, rebuild=True))
    assert_equal(folder, store)


def test_the_path_of_the_index_is_a_file(tmp_path: Path, store_factory: StoreFactory) -> None:
    store_factory(tmp_path, {0: [20]})
    (tmp_path / "index").write_bytes(b"")
    index = ChromaConfig(path=str(tmp_path / "index"))
    with pytest.raises(
        CollectionError, match=r"index/toys--toy: .*File exists.*choose another index"
    ):
        build_index(build_config(tmp_path, index))


def test_server_not_reachable(tmp_path: Path, store_factory: StoreFactory) -> None:
    store_factory(tmp_path, {0: [20]})
    index = ChromaHttpConfig(host="127.0.0.1", port=9)
    with pytest.raises(CollectionError, match=r"http://127.0.0.1:9 .*chroma run"):
        build_index(build_config(tmp_path, index))


def copied(store: Store) -> None:
    """Give shard 1 the rows of shard 0."""
    shutil.rmtree(Path(store.url) / "shard-00001")
    writer = store.writer(1)
    vectors = np.random.default_rng(0).normal(size=(20, 16)).astype(np.float32)
    writer.write_part([row(0, number) for number in range(20)], vectors, 20)
    writer.commit({})


@pytest.mark.parametrize("batch_rows", [20, 100])
def test_an_id_in_two_shards_is_named_at_once(
    chroma: ChromaKind, tmp_path: Path, store_factory: StoreFactory, batch_rows: int
) -> None:
    """In one request and in two: before any row of the second shard, or of a later one, is in."""
    store = store_factory(tmp_path, {0: [20], 1: [20], 2: [100]})
    copied(store)
    config = build_config(tmp_path, chroma, batch_rows=batch_rows)
    for _ in range(2):
        with pytest.raises(
            CollectionError,
            match=r"the id 0/\d+ is in shard-00000/part-00000.parquet and in shard-00001/part-00000"
            r".parquet; embed again with ids that are unique .* dataset.id, or none$",
        ):
            build_index(config)
        with CollectionWriter(client_factory(chroma), NAME, store, config.hnsw) as writer:
            states = {file.split("/")[0]: entry.state for file, entry in writer.ledger().items()}
            held = writer.finish().count()
        together = batch_rows == 100
        assert states == {
            "shard-00000": "loading" if together else "loaded",
            "shard-00001": "loading",
        }
        assert held == (0 if together else 20)
    shutil.rmtree(Path(store.url) / "shard-00001")
    write_shard(store, 1, [25])
    assert build_index(config).rows == 145
    assert_equal(chroma, store)


def test_a_duplicate_id_within_a_part_is_named(
    folder: ChromaConfig, tmp_path: Path, store_factory: StoreFactory
) -> None:
    store = store_factory(tmp_path, {}, count=1)
    writer = store.writer(0)
    vectors = np.eye(16, dtype=np.float32)
    writer.write_part([row(0, n % 15) for n in range(16)], vectors, 16)
    writer.commit({})
    part = "shard-00000/part-00000.parquet"
    for batch_rows in (5, 16):
        with pytest.raises(CollectionError, match=f"the id 0/0 is in {part} and in {part};"):
            build_index(build_config(tmp_path, folder, batch_rows=batch_rows))


def test_an_id_that_was_passed_over_is_named(
    folder: ChromaConfig, tmp_path: Path, store_factory: StoreFactory
) -> None:
    """By whatever loaded both shards without asking."""
    store = store_factory(tmp_path, {0: [20], 1: [20], 2: [10]})
    copied(store)
    config = build_config(tmp_path, folder)
    with CollectionWriter(client_factory(folder), NAME, store, config.hnsw) as writer:
        for part in store.parts():
            with writer.loading([part]):
                for vectors, rows in batches(store, [part], 100):
                    ids = rows["id"].to_pylist()
                    writer._rows.add(ids=ids, embeddings=vectors, metadatas=metadata(rows))
    with pytest.raises(
        CollectionError,
        match=r"has 30 rows, the store 50: the id 0/\d+ is in shard-00000/.* and in shard-00001/",
    ):
        build_index(config)


def test_parts_are_grouped_into_batches(tmp_path: Path, store_factory: StoreFactory) -> None:
    store = store_factory(tmp_path, {0: [5, 5], 1: [5], 2: [30], 3: [4]})
    assert [[p.rows for p in group] for group in groups(store.parts(), 10)] == [
        [5, 5],
        [5],
        [30],
        [4],
    ]


def test_no_default_embedding_model_is_loaded(
    folder: ChromaConfig,
    tmp_path: Path,
    store_factory: StoreFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store_factory(tmp_path, {0: [20]})
    # Other tests may have loaded it.
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    build_index(build_config(tmp_path, folder))
    assert "onnxruntime" not in sys.modules


@pytest.mark.parametrize(
    "schema",
    [{}, {"schema_version": 1}, {"schema_version": 3}],
    ids=["none", "older", "newer"],
)
def test_an_index_of_another_schema_is_refused_until_rebuilt(
    folder: ChromaConfig, tmp_path: Path, store_factory: StoreFactory, schema: dict[str, int]
) -> None:
    store_factory(tmp_path, {0: [20]})
    build_index(build_config(tmp_path, folder))
    with open_index(folder, NAME, bare=True) as collection:
        about = json.loads(collection._rows.metadata[MARK])
        del about["schema_version"]
        collection._rows.modify(metadata={MARK: json.dumps({**schema, **about})})
    mend = r"toys--toy has .*schema.*, this clipvec reads schema 2; .*rebuild it with .*--rebuild$"
    with pytest.raises(SchemaError, match=mend):
        open_index(folder)
    with pytest.raises(SchemaError, match=mend):
        build_index(build_config(tmp_path, folder))
    assert build_index(build_config(tmp_path, folder, rebuild=True)).loaded == 1
    with open_index(folder) as collection:
        assert collection.count() == 20
