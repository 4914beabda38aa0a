from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clipvec import config
from clipvec.check.run import check
from clipvec.config import CheckConfig, ChromaConfig
from clipvec.errors import StoreError
from clipvec.index import open_index
from clipvec.index.build import build_index
from clipvec.store import Store
from tests.index.conftest import build_config
from tests.stores import delete, edit_sealed, flip, make_store, row, undo


def asked(root: Path, **changes: Any) -> CheckConfig:
    values = {
        "model": {"name": "toy"},
        "dataset": {"name": "toys"},
        "store": {"root": f"{root}/store"},
        "index": {"kind": "chroma", "path": f"{root}/index"},
        "store_only": False,
    }
    return config.from_dict({**values, **changes}, CheckConfig)


def faults(root: Path) -> list[str]:
    return [fault.replace(str(root), "ROOT") for fault in check(asked(root)).faults]


def store_of(root: Path) -> Store:
    return Store.open(f"{root}/store/toys/toy")


def test_all_is_right(root: Path) -> None:
    summary = check(asked(root))
    assert (summary.faults, summary.parts, summary.rows) == ([], 4, 140)
    summary.raise_faults()
    store, index = f"{root}/store/toys/toy", f"{root}/index/toys--toy"
    right = f"4 parts and 140 rows of {store} are as they were written"
    assert str(summary) == f"{right}; {index} has the same rows"
    assert str(check(asked(root, store_only=True))) == right
    shutil.rmtree(index)
    assert str(check(asked(root))) == right


def test_an_index_whose_store_was_moved(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It shows what is deleted there, until ``clipvec index`` tells it where that is."""
    first, root = tmp_path / "first", tmp_path / "moved"
    make_store(first / "store", {0: [40]})
    build_index(build_config(first / "store", ChromaConfig(f"{first}/index")))
    first.rename(root)
    delete(store_of(root), "0/0")
    assert faults(root) == [
        f"ROOT/index/toys--toy learns what is deleted from {first}/store/toys/toy, where no store "
        "is, and may show 1 deleted row; clipvec index tells it of ROOT/store/toys/toy"
    ]
    index = ChromaConfig(f"{root}/index")
    build_index(build_config(root / "store", index))
    assert faults(root) == []
    caplog.clear()
    delete(store_of(root), "0/1")
    with open_index(index) as opened:
        assert opened.get(["0/0", "0/1"]) == {}
    assert caplog.messages == []


def test_an_index_of_a_store_that_was_copied(root: Path) -> None:
    """It shows what is deleted in the copy alone; that of the same deletions is as good."""
    url = Path(store_of(root).url)
    make_index_of(root)
    old = url.rename(root / "old")
    delete(Store.open(str(old)), "0/2")
    shutil.copytree(old, root / "new/toys/toy")
    old.rename(url)
    copied = asked(root, store={"root": f"{root}/new"})
    assert check(copied).faults == []
    name = delete(Store.open(f"{root}/new/toys/toy"), "0/0")
    with open_index(ChromaConfig(f"{root}/index"), "toys--toy") as index:
        assert list(index.get(["0/0", "0/2"])) == ["0/0"]
    said = f"{root}/index/toys--toy learns what is deleted from {url}, "
    end = "and may show {}; clipvec index tells it of " + f"{root}/new/toys/toy"
    both, one = end.format("2 deleted rows"), end.format("1 deleted row")
    assert check(copied).faults == [f"{said}where other rows are deleted, {both}"]
    undo(Store.open(f"{root}/new/toys/toy"), name)
    assert check(copied).faults == []
    values = json.loads((url / "store.json").read_text())
    (url / "store.json").write_text(json.dumps({**values, "schema_version": 99}))
    flip(root / "new/toys/toy/shard-00000/part-00001.parquet", 200)
    *others, fault = check(copied).faults
    assert fault.startswith(f"{said}which cannot be read ({url}/store.json ")
    assert fault.endswith(f"), {one}")
    assert others


def test_deleted_rows(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Those that the index still holds are no fault, those that it should hold are."""
    url = store_of(root).url
    make_index_of(root)
    name = delete(store_of(root), "0/1", "0/50")
    caplog.set_level(logging.INFO)
    summary = check(asked(root))
    assert (summary.faults, summary.rows, summary.deleted) == ([], 138, 2)
    assert "; 2 rows deleted; " in str(summary)
    (told,) = caplog.messages
    assert told.startswith(f"{root}/index/toys--toy still holds 2 deleted rows, which no answer")
    build_index(build_config(root / "store", ChromaConfig(f"{root}/index")))
    caplog.clear()
    assert (faults(root), caplog.messages) == ([], [])
    undo(store_of(root), name)
    first, second = faults(root)
    assert first.startswith("1 of 40 rows of shard-00000/part-00000.parquet are missing in ROOT")
    assert second.startswith("1 of 30 rows of shard-00000/part-00001.parquet are missing in ROOT")
    assert "(0/50); load them with clipvec index; if" in second
    entry = Path(url, "tombstones", f"{name}.json")
    flip(entry, entry.read_bytes().index(b"0/50"))
    (fault,) = faults(root)
    assert fault.startswith(f"{entry} is damaged (".replace(str(root), "ROOT"))


def make_index_of(root: Path) -> None:
    """Make an index that knows the copy of the store: that of the fixture knows the original."""
    build_index(build_config(root / "store", ChromaConfig(f"{root}/index"), rebuild=True))


def test_each_fault_is_a_line(root: Path) -> None:
    store = Path(store_of(root).url)
    part = store / "shard-00000/part-00001.parquet"
    data = bytearray(part.read_bytes())
    data[data.rindex(b"JFIF")] ^= 1
    part.write_bytes(data)
    (store / "shard-00001/done.json").write_text("{")
    summary = check(asked(root, store_only=True))
    assert [fault.split(" is ")[0] for fault in summary.faults] == [
        f"{store}/shard-00001/done.json",
        str(part),
    ]
    with pytest.raises(StoreError, match=r"^2 faults in .*/toy, see above$"):
        summary.raise_faults()


def test_the_table_of_rows(root: Path) -> None:
    folder = root / "index/toys--toy"
    flip(folder / "vectors.npy", 5000)
    (fault,) = faults(root)
    assert fault == (
        "the table of rows in ROOT/index/toys--toy is damaged (vectors.npy changed after "
        "clipvec index wrote it); remove ROOT/index/toys--toy/rows.json and run clipvec "
        "index, which writes it anew"
    )
    (folder / "rows.json").unlink()
    build_index(build_config(root / "store", ChromaConfig(f"{root}/index")))
    assert faults(root) == []


def test_the_ledger_of_rejects(root: Path) -> None:
    file = Path(store_of(root).url, "shard-00001/done.json")
    edit_sealed(file, rejects=3, reasons={"Undecodable": 1, "EmptyFile": 2})
    (fault,) = faults(root)
    said = "(it has none, done.json counts 2 EmptyFile, 1 Undecodable)"
    assert f"shard-00001/rejects.parquet is missing or damaged {said}" in fault
    assert fault.endswith("shard-00001 and embed shards=1 again")


def test_a_marker_that_counts_other_rows_of_a_part(root: Path) -> None:
    """As none that embed wrote: its own checksum is right."""
    file = Path(store_of(root).url, "shard-00001/done.json")
    first, second = json.loads(file.read_text())["parts"]
    moved = [first | {"rows": first["rows"] + 1}, second | {"rows": second["rows"] - 1}]
    edit_sealed(file, parts=moved)
    mended = f"remove {file} and embed shards=1 again, which keeps the parts that are whole"
    found = check(asked(root, store_only=True)).faults
    assert [fault.partition("missing or damaged ")[2] for fault in found] == [
        f"(it has 40 rows, done.json says 41): {mended}",
        f"(it has 30 rows, done.json says 29): {mended}",
    ]


def test_each_byte_of_the_ledger(tmp_path: Path) -> None:
    """Its reasons and addresses as well, which no marker counts."""
    make_store(tmp_path / "store", {1: [3]}, count=2)
    writer = store_of(tmp_path).writer(0)
    writer.reject(0, "a", "toys.tar#a", "the file is empty (0 bytes)", "EmptyFile")
    writer.write_part([row(0, 1)], np.eye(1, 16, dtype=np.float32), stop=2)
    file = Path(store_of(tmp_path).url, "shard-00000/rejects.parquet")
    whole = file.read_bytes()
    for at in range(0, len(whole), 7):
        flip(file, at)
        with pytest.raises(
            StoreError, match=r"(?s)rejects.parquet is damaged \(.*remove the folder"
        ):
            store_of(tmp_path).writer(0)
        file.write_bytes(whole)
    store_of(tmp_path).writer(0).commit({})
    assert file.read_bytes() == whole
    assert faults(tmp_path) == []
    flip(file, whole.index(b"toys.tar#a"))
    (fault,) = faults(tmp_path)
    assert "rejects.parquet is missing or damaged (its checksum is another): remove" in fault


@pytest.mark.parametrize("what", ["negated", "caption", "attribute", "gone", "more", "stranger"])
def test_one_row_of_the_index(root: Path, what: str) -> None:
    """Whichever it is, and however little it differs."""
    with open_index(ChromaConfig(f"{root}/index"), bare=True) as index:
        rows: Any = index._rows  # type: ignore[attr-defined]
        vector = index.vectors(["0/50"])["0/50"]
        if what == "negated":
            rows.update(ids=["0/50"], embeddings=[-vector])
        elif what == "caption":
            rows.update(ids=["0/50"], metadatas=[{"caption": "toy <51>"}])
        elif what == "attribute":
            rows.update(ids=["0/50"], metadatas=[{"ratio": 50 / 8 + 1e-9}])
        if what in {"gone", "stranger"}:
            rows.delete(ids=["0/50"])
        if what in {"more", "stranger"}:
            rows.add(ids=["0/500"], embeddings=[np.ones(16)], metadatas=[{"uri": "x"}])
    row = "1 of 30 rows of shard-00000/part-00001.parquet"
    rebuild = "rebuild it with clipvec index --rebuild"
    end = f"in ROOT/index/toys--toy (0/50); {rebuild}"
    missing = (
        f"{row} are missing in ROOT/index/toys--toy (0/50); load them with clipvec "
        f"index; if it is no help, {rebuild}"
    )
    more = (
        "1 rows of ROOT/index/toys--toy are not in the store; rebuild it with clipvec "
        "index --rebuild"
    )
    other = f"{row} have another caption, attribute or place {end}"
    assert (
        faults(root)
        == {
            "negated": [f"{row} have another vector {end}"],
            "caption": [other],
            "attribute": [other],
            "gone": [missing],
            "more": [more],
            "stranger": [missing, more],
        }[what]
    )
    if what != "more":
        command = build_config(root / "store", ChromaConfig(f"{root}/index"))
        build_index(replace(command, rebuild=True))
        assert faults(root) == []


def test_an_index_that_is_behind(root: Path) -> None:
    with open_index(ChromaConfig(f"{root}/index"), bare=True) as index:
        index._rows.delete(where={"_part": "shard-00001/part-00000.parquet"})  # type: ignore[attr-defined]
    (fault,) = faults(root)
    assert fault.startswith("40 of 40 rows of shard-00001/part-00000.parquet are missing in ROOT")
    assert "; load them with clipvec index; if" in fault


def test_a_damaged_index_is_one_fault(root: Path) -> None:
    (root / "index/toys--toy/chroma.sqlite3").write_bytes(b"x" * 5000)
    (fault,) = faults(root)
    assert fault.startswith("ROOT/index/toys--toy: ")
    assert "--rebuild" in fault
