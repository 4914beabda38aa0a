from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from clipvec import paths
from clipvec.errors import StoreError
from clipvec.store import Row, ShardWriter
from clipvec.store.folder import Folder
from clipvec.store.schema import part_schema

DIM = 4
SCHEMA = part_schema(DIM, "float16", thumbnail=True, attributes={"label": "string", "n": "int"})


def rows(first: int, count: int) -> list[Row]:
    return [
        Row(f"id-{i}", f"file#{i}", f"caption {i}", 640, 480, b"jpeg", {"label": "x", "n": i})
        for i in range(first, first + count)
    ]


def vectors(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, DIM)).astype(np.float32)


def writer(folder: Path) -> ShardWriter:
    return ShardWriter(Folder(str(folder)), 3, SCHEMA)


def test_rows_come_back_typed(tmp_path: Path) -> None:
    shard = writer(tmp_path)
    shard.write_part(rows(0, 5), vectors(5), stop=6)
    table = pq.read_table(tmp_path / "shard-00003" / "part-00000.parquet")
    assert table.schema.equals(SCHEMA)
    assert table["n"].to_pylist() == [0, 1, 2, 3, 4]
    assert table["id"].to_pylist() == [f"id-{i}" for i in range(5)]
    stored = np.stack(table["embedding"].to_numpy(zero_copy_only=False))
    np.testing.assert_allclose(stored, vectors(5), atol=2e-3)


def test_commit_mark_has_checksums(tmp_path: Path) -> None:
    shard = writer(tmp_path)
    shard.reject(5, "bad", "file#bad", "not an image", "Undecodable")
    shard.write_part(rows(0, 5), vectors(5), stop=5)
    done = shard.commit({"seconds": 1.0})
    data = (tmp_path / "shard-00003" / "part-00000.parquet").read_bytes()
    assert done.rows == 5
    assert done.reasons == {"Undecodable": 1}
    assert done.parts[0].sha256 == hashlib.sha256(data).hexdigest()
    assert done.parts[0].bytes == len(data)
    ledger = pq.read_table(tmp_path / "shard-00003" / "rejects.parquet").to_pylist()
    assert ledger == [
        {
            "position": 5,
            "id": "bad",
            "uri": "file#bad",
            "reason": "not an image",
            "error": "Undecodable",
        }
    ]


def test_resumes_after_the_finished_parts(tmp_path: Path) -> None:
    first = writer(tmp_path)
    first.reject(1, "bad", "file#bad", "why", "Undecodable")
    first.write_part(rows(0, 4), vectors(4), stop=5)
    first.reject(6, "late", "file#late", "why", "Undecodable")
    first.save_rejects()  # the next run finds a reject after the last part again
    second = writer(tmp_path)
    assert (second.position, second.rows, second.parts, second.rejects) == (5, 4, 1, 1)
    assert second.ids() == [f"id-{i}" for i in range(4)]
    second.commit({})
    assert pq.read_table(tmp_path / "shard-00003" / "rejects.parquet").num_rows == 1


def test_rejects_that_no_longer_apply(tmp_path: Path) -> None:
    first = writer(tmp_path)
    first.write_part(rows(0, 4), vectors(4), stop=4)
    first.reject(4, "late", "file#late", "why", "Undecodable")
    first.save_rejects()
    writer(tmp_path).commit({})
    assert pq.read_table(tmp_path / "shard-00003" / "rejects.parquet").num_rows == 0


def test_it_keeps_the_dataset_cursor(tmp_path: Path) -> None:
    first = writer(tmp_path)
    assert first.cursor is None
    first.write_part(rows(0, 4), vectors(4), stop=4, cursor=("s3://b/0.tar", 4))
    first.write_part(rows(4, 4), vectors(4), stop=8, cursor=("s3://b/1.tar", 1))
    assert writer(tmp_path).cursor == ("s3://b/1.tar", 1)


def test_parts_are_recovered_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # parts from 100,000 on have longer names, which come first in a listing
    file, number = paths.ShardPaths.part, paths.part_number
    monkeypatch.setattr(paths.ShardPaths, "part", lambda self, part: file(self, part + 99_998))
    monkeypatch.setattr(
        paths, "part_number", lambda name: n and n - 99_998 if (n := number(name)) else None
    )
    first = writer(tmp_path)
    for part in range(4):
        first.write_part(rows(4 * part, 4), vectors(4), stop=4 * part + 4)
    assert (tmp_path / "shard-00003" / "part-100001.parquet").is_file()
    assert (writer(tmp_path).position, writer(tmp_path).parts) == (16, 4)


@pytest.mark.parametrize("damage", ["cut", "schema", "gap"])
def test_an_incomplete_part_is_rewritten(tmp_path: Path, damage: str) -> None:
    shard = writer(tmp_path)
    for number in range(3):
        shard.write_part(rows(4 * number, 4), vectors(4), stop=4 * number + 4)
    part = tmp_path / "shard-00003" / "part-00001.parquet"
    if damage == "cut":
        part.write_bytes(part.read_bytes()[:-100])
    elif damage == "gap":
        part.unlink()
    else:
        pq.write_table(pq.read_table(part).drop_columns(["n"]), part)
    (tmp_path / "shard-00003" / ".part-00003.parquet.1.tmp").write_bytes(b"half")
    again = writer(tmp_path)
    assert (again.position, again.parts) == (4, 1)
    assert sorted(p.name for p in (tmp_path / "shard-00003").iterdir()) == ["part-00000.parquet"]


def test_equal_rows_make_equal_bytes(tmp_path: Path) -> None:
    for name in "ab":
        writer(tmp_path / name).write_part(rows(0, 100), vectors(100), stop=100)
    a, b = ((tmp_path / n / "shard-00003" / "part-00000.parquet").read_bytes() for n in "ab")
    assert a == b


def test_missing_permission_is_a_one_line_error(tmp_path: Path) -> None:
    (tmp_path / "shard-00003").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="part of the path is a file; choose another"):
        writer(tmp_path).write_part(rows(0, 1), vectors(1), stop=1)


def test_object_store() -> None:
    folder = Folder("memory://bucket/store")
    shard = ShardWriter(folder, 0, SCHEMA)
    shard.write_part(rows(0, 4), vectors(4), stop=4)
    again = ShardWriter(folder, 0, SCHEMA)
    assert (again.position, again.rows) == (4, 4)
    again.commit({})
    assert folder.folders() == ["shard-00000"]
    assert folder.names("shard-00000") == ["done.json", "part-00000.parquet"]
