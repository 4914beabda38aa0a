"""Single faults of an index in a folder: each is told by whatever reads it, and its mend heals."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest

from clipvec.check.run import check
from clipvec.config import ChromaConfig
from clipvec.errors import ClipvecError, CollectionError
from clipvec.index import open_index
from clipvec.index.build import build_index
from clipvec.index.chroma.client import LEDGER, client_factory, close
from clipvec.index.chroma.writer import CollectionWriter
from clipvec.index.load import Plan, load
from clipvec.store import Store, matrix
from tests.check.test_run import asked
from tests.faults.readers import READERS, nearest
from tests.faults.test_faiss import pipe
from tests.index.conftest import build_config
from tests.stores import flip, make_store

NAME = "toys--toy"


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store and its index, large enough that Chroma has written the graph."""
    root = tmp_path_factory.mktemp("indexed")
    make_store(root / "store", {0: [700], 1: [500]}, dim=8)
    build_index(build_config(root / "store", ChromaConfig(f"{root}/index")))
    return root


def graph(folder: Path) -> Path:
    """Return the folder of the graph of the rows, not of the ledger."""
    return max(folder.glob("*/data_level0.bin"), key=lambda file: file.stat().st_size).parent


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def sql(folder: Path, command: str) -> None:
    with sqlite3.connect(folder / "chroma.sqlite3") as database:
        database.execute(command)
    database.close()


def lose_ledger(folder: Path) -> None:
    client = client_factory(ChromaConfig(str(folder.parent))).connect(NAME)
    (ledger,) = (c.name for c in client.list_collections() if c.name.endswith(LEDGER))
    client.delete_collection(ledger)
    close(client)


def into_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


GRAPH = ("header.bin", "length.bin", "link_lists.bin", "index_metadata.pickle", "data_level0.bin")
VECTOR = range(4 * (1 + 2 * 16), 4 * (1 + 2 * 16 + 8))
"""Bytes of the vector in each row of ``data_level0.bin``: links come before it."""
ROW = VECTOR.stop + 8
ROWS = "key='clipvec' and str_value!='ledger'"
FAULTS: dict[str, Callable[[Path], None]] = {
    "database cut": lambda folder: cut(folder / "chroma.sqlite3"),
    "database a pipe": lambda folder: pipe(folder / "chroma.sqlite3"),
    "database a folder": lambda folder: into_folder(folder / "chroma.sqlite3"),
    "header a pipe": lambda folder: pipe(graph(folder) / "header.bin"),
    "rows a pipe": lambda folder: pipe(graph(folder) / "data_level0.bin"),
    "checksums a pipe": lambda folder: pipe(folder / "graphs.json"),
    "database gone": lambda folder: (folder / "chroma.sqlite3").unlink(),
    "graph cut": lambda folder: cut(graph(folder) / "data_level0.bin"),
    "graph gone": lambda folder: (graph(folder) / "data_level0.bin").unlink(),
    "header gone": lambda folder: (graph(folder) / "header.bin").unlink(),
    "header changed": lambda folder: flip(graph(folder) / "header.bin", -1),
    "checksums changed": lambda folder: flip(folder / "graphs.json", -9),
    "folder of the graph gone": lambda folder: shutil.rmtree(graph(folder)),
    "description overwritten": lambda folder: sql(
        folder, f"update collection_metadata set str_value='x' where {ROWS}"
    ),
    "description gone": lambda folder: sql(folder, f"delete from collection_metadata where {ROWS}"),
    "all descriptions gone": lambda folder: sql(folder, "delete from collection_metadata"),
}


def assert_right(root: Path) -> None:
    """Compare every row of the index with the store."""
    (url,) = (root / "store").glob("*/*")
    store = Store.open(str(url))
    vectors = {
        id: vector
        for part in store.parts()
        for piece in store.read(part)
        for id, vector in zip(piece["id"].to_pylist(), matrix(piece), strict=True)
    }
    with open_index(ChromaConfig(f"{root}/index"), bare=True) as index:
        assert index.count() == len(vectors) == 1200
        there = index.vectors(list(vectors))
        for id, vector in vectors.items():
            np.testing.assert_allclose(there[id], vector, rtol=1e-5)
        for id in list(vectors)[::100]:
            assert index.query(vectors[id], 1)[0].id == id


@pytest.mark.parametrize("name", FAULTS)
def test_a_damaged_index(root: Path, name: str) -> None:
    FAULTS[name](root / "index" / NAME)
    index = ChromaConfig(f"{root}/index")
    with pytest.raises(CollectionError) as told, open_index(index) as opened:
        opened.query(np.ones(8, np.float32), 5)
    assert "clipvec index --rebuild" in str(told.value)
    with pytest.raises(CollectionError, match="--rebuild"):
        build_index(build_config(root / "store", index))
    for read in READERS.values():
        with pytest.raises(CollectionError, match=r"clipvec index --rebuild"):
            read(root)
    build_index(build_config(root / "store", index, rebuild=True))
    assert_right(root)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("name", [*GRAPH, "graphs.json"])
def test_a_bit_flipped_anywhere(
    root: Path, monkeypatch: pytest.MonkeyPatch, name: str, whole: bool
) -> None:
    """Chroma never sees such a file: its library for graphs trusts what it reads."""

    def reached(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("chromadb.PersistentClient", reached)
    factory, folder, rng = (
        client_factory(ChromaConfig(f"{root}/index")),
        root / "index" / NAME,
        Random(0),
    )
    file = (graph(folder) if name in GRAPH else folder) / name
    right = file.read_bytes()
    for _ in range(25):
        at = rng.randrange(len(right))
        data = bytearray(right)
        data[at] ^= 1 << rng.randrange(8)
        file.write_bytes(data)
        seen = whole or name != "data_level0.bin" or at % ROW not in VECTOR
        with pytest.raises(ClipvecError if seen else AssertionError):
            factory.connect(NAME, whole=whole)
    file.write_bytes(right)
    with pytest.raises(AssertionError):
        factory.connect(NAME, whole=whole)


def test_a_damaged_vector(root: Path) -> None:
    """To compare all of them takes as long as to load them: that is for check and index."""
    file = graph(root / "index" / NAME) / "data_level0.bin"
    flip(file, VECTOR.start)  # by less than a sample of rows would tell
    index = ChromaConfig(f"{root}/index")
    assert READERS["search"](root) == nearest(root)
    changed = f"{file} is not what clipvec index wrote"
    (fault,) = check(asked(root, index={"kind": "chroma", "path": index.path})).faults
    assert changed in fault
    with pytest.raises(CollectionError, match=changed):
        build_index(build_config(root / "store", index))
    build_index(build_config(root / "store", index, rebuild=True))
    assert_right(root)


def test_readers_leave_graphs_as_they_are(tmp_path: Path) -> None:
    """Also those that Chroma makes anew at each opening: the last of their rows was deleted."""
    store, where = (
        make_store(tmp_path / "store", {0: [1200, 3]}, dim=8),
        ChromaConfig(f"{tmp_path}/index"),
    )
    config = build_config(tmp_path / "store", where)
    build_index(config)
    parts = store.parts()
    for change in ({"drop": parts}, {"load": parts[1:]}, {"load": parts[:1]}):
        with CollectionWriter(client_factory(where), NAME, store, config.hnsw) as writer:
            writer.drop([part.file for part in change.get("drop", [])])
            load(writer, store, Plan(load=change.get("load", [])), 1000, lambda _: None)
        for _ in range(3):
            with open_index(where, bare=True) as index:
                index.query(np.ones(8, np.float32), index.count() or 1)
                index.check_files()


@pytest.mark.parametrize("name", READERS)
def test_a_whole_index(indexed: Path, tmp_path: Path, name: str) -> None:
    """The readers of the other tests answer where nothing is damaged."""
    root = Path(shutil.copytree(indexed, tmp_path / "root"))
    assert READERS[name](root) == nearest(root)


def test_a_lost_ledger(root: Path) -> None:
    """The rows are as they were; it is the loading that has to begin anew."""
    lose_ledger(root / "index" / NAME)
    index = ChromaConfig(f"{root}/index")
    (fault,) = check(asked(root, index={"kind": "chroma", "path": index.path})).faults
    assert "has lost its ledger" in fault
    assert fault.endswith("rebuild it with clipvec index --rebuild")
    assert_right(root)
    with pytest.raises(CollectionError, match=r"has rows of shard-00000/.*ledger.*--rebuild$"):
        build_index(build_config(root / "store", index))
    assert_right(root)
    build_index(build_config(root / "store", index, rebuild=True))
    assert_right(root)


@pytest.mark.parametrize("rebuild", [False, True])
def test_a_lost_mark_of_the_ledger(root: Path, rebuild: bool) -> None:
    """Whose it is, its name tells."""
    sql(root / "index" / NAME, "delete from collection_metadata where str_value='ledger'")
    build_index(build_config(root / "store", ChromaConfig(f"{root}/index"), rebuild=rebuild))
    assert_right(root)


@pytest.mark.parametrize("name", ["rows.arrow", "vectors.npy", "rows.json"])
def test_a_pipe_among_the_rows(root: Path, name: str) -> None:
    """It counts as no table: answers come without it, and the next index command writes it."""
    pipe(root / "index" / NAME / name)
    index = ChromaConfig(f"{root}/index")
    assert READERS["search"](root) == nearest(root)
    if name != "rows.json":
        (fault,) = check(asked(root, index={"kind": "chroma", "path": index.path})).faults
        assert f"{name} changed after" in fault or "it is a pipe" in fault
        (root / "index" / NAME / "rows.json").unlink()
    build_index(build_config(root / "store", index))
    assert check(asked(root, index={"kind": "chroma", "path": index.path})).faults == []


def test_an_index_that_is_being_loaded(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody takes some of its rows for all; an index that is complete stays open to all."""
    index = ChromaConfig(f"{tmp_path}/new")
    with monkeypatch.context() as stopped:

        def stop(*_: object) -> None:
            raise KeyboardInterrupt

        stopped.setattr("clipvec.index.chroma.writer.CollectionWriter.finish", stop)
        with pytest.raises(KeyboardInterrupt):
            build_index(build_config(root / "store", index))
        with pytest.raises(
            CollectionError, match=r"holds 1,200 of 1,200 rows: its first loading .* again"
        ):
            open_index(index)
        for rebuild in (False, True):
            whole = ChromaConfig(f"{root}/index")
            with pytest.raises(KeyboardInterrupt):
                build_index(build_config(root / "store", whole, rebuild=rebuild))
            assert_right(root)
    assert build_index(build_config(root / "store", index)).reused == 2
    with open_index(index) as opened:
        assert opened.count() == 1200
