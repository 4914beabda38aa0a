from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clipvec.errors import SchemaError, StoreError
from clipvec.store import Store, thumbnails
from tests.stores import StoreFactory, edit_sealed, flip, write_shard


def test_markers_of_committed_shards(store_factory: StoreFactory, tmp_path: Path) -> None:
    store = store_factory(tmp_path, {0: [3, 4], 2: [5]}, count=4)
    store.writer(1).write_part([], np.empty((0, 16)), stop=0)
    assert {shard: marker.rows for shard, marker in store.committed().items()} == {0: 7, 2: 5}
    assert list(store.committed([1, 2, 3])) == [2]
    assert [part.rows for part in store.parts()] == [3, 4, 5]
    assert [part.rows for part in store.parts([0])] == [3, 4]


@pytest.mark.parametrize("name", ["E [1]", "a*b", "{x,y}"])
def test_a_root_with_glob_characters(
    store_factory: StoreFactory, tmp_path: Path, name: str
) -> None:
    assert list(store_factory(tmp_path / name, {0: [3]}).committed()) == [0]


def test_other_files_in_a_store(store_factory: StoreFactory, tmp_path: Path) -> None:
    store = store_factory(tmp_path, {0: [3]})
    kept = Path(store.url, "shard-00000.bak")
    Path(store.url, "shard-00000").rename(kept)
    assert store.committed() == {}
    kept.rename(Path(store.url, "shard-00000"))
    assert list(store.committed()) == [0]


@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 3}'])
def test_a_damaged_marker(store_factory: StoreFactory, tmp_path: Path, text: str) -> None:
    store = store_factory(tmp_path, {0: [3]})
    Path(store.url, "shard-00000/done.json").write_text(text)
    with pytest.raises(StoreError, match=r"done\.json is damaged .* embed shards=0 again"):
        store.committed()


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (None, "has no schema number, this clipvec reads schema 3; remove it and embed shards=0"),
        (2, "has schema 2, this clipvec reads schema 3; remove it and embed shards=0 again"),
        (4, "has schema 4, this clipvec reads schema 3; update clipvec, or remove it and embed"),
    ],
)
def test_a_marker_of_another_version(
    store_factory: StoreFactory, tmp_path: Path, number: int | None, message: str
) -> None:
    store = store_factory(tmp_path, {0: [3]})
    file = Path(store.url, "shard-00000/done.json")
    values = json.loads(file.read_text())
    assert values["schema_version"] == 3
    del values["schema_version"]
    file.write_text(json.dumps(values if number is None else {**values, "schema_version": number}))
    with pytest.raises(SchemaError) as error:
        store.committed()
    assert str(error.value).startswith(f"{file} {message}")


def test_a_store_of_another_version(store_factory: StoreFactory, tmp_path: Path) -> None:
    store = store_factory(tmp_path, {0: [3]})
    file = Path(store.url, "store.json")
    values = json.loads(file.read_text())
    file.write_text(json.dumps({**values, "schema_version": 2}))
    with pytest.raises(SchemaError) as error:
        Store.open(store.url)
    assert str(error.value) == (
        f"{file} has schema 2, this clipvec reads schema 5; use the version of clipvec that made "
        "the store, or another store.root"
    )


def damaged(how: str, file: Path, other: Path) -> None:
    """Damage a part in one way."""
    data = bytearray(file.read_bytes())
    if how == "gone":
        file.unlink()
    elif how == "another":
        shutil.copy(other, file)
    elif how == "cut":
        file.write_bytes(data[:-100])
    else:
        data[{"first": 0, "vectors": 900, "last": len(data) - 9}[how]] ^= 1
        file.write_bytes(data)


DAMAGES = ("gone", "another", "cut", "first", "vectors", "last")


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_part_is_refused(store_factory: StoreFactory, tmp_path: Path, how: str) -> None:
    store = store_factory(tmp_path, {0: [40], 1: [40]})
    file, other = (Path(store.url, part.file) for part in store.parts())
    damaged(how, file, other)
    for columns in (None, ["id"]):
        with pytest.raises(StoreError) as error:
            list(Store.open(store.url).read(store.parts()[0], columns))
        text = str(error.value)
        assert text.startswith(f"{file} is missing or damaged (")
        assert text.endswith(
            f"): remove {file.parent}/done.json and embed shards=0 again, which keeps the parts "
            "that are whole"
        )


@pytest.mark.parametrize("how", ["gone", "cut"])
@pytest.mark.parametrize("root", ["", "memory://incomplete-"])
def test_a_marker_alone_is_no_commit(
    store_factory: StoreFactory, tmp_path: Path, root: str, how: str
) -> None:
    store = store_factory(f"{root}{tmp_path}", {0: [4], 1: [4, 3], 2: []}, count=4)  # type: ignore[arg-type]
    lacking: dict[int, str] = {}
    assert list(store.complete(lacking=lacking)) == [0, 1, 2]
    assert lacking == {}
    part = store.parts([1])[1]
    data = store.folder.read(part.file)
    store.folder.remove(part.file)
    said = f"{part.file} is missing"
    if how == "cut":
        store.folder.write(part.file, data[:-9])
        said = f"{part.file} has {len(data) - 9:,} bytes, {len(data):,} were committed"
    assert list(store.complete(lacking=lacking)) == [0, 2]
    assert lacking == {1: said}
    assert store.unfinished() == [1, 3]
    assert list(store.complete([1])) == []
    store.folder.write(part.file, data)
    assert list(store.complete([1])) == [1]


def test_a_part_that_was_compacted_meanwhile_is_not_missing(
    store_factory: StoreFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_factory(tmp_path, {0: [4]})
    (part,) = store.parts()
    marker = json.loads(store.folder.read("shard-00000/done.json"))
    sizes = store.folder.sizes
    compacted = part.file.replace(".parquet", f"-{part.part.sha256[:8]}.parquet")

    def listed(folders: list[str]) -> dict[str, int]:
        if (file := Path(store.url, part.file)).exists():
            file.rename(Path(store.url, compacted))
            named = [{**marker["parts"][0], "file": compacted}]
            edit_sealed(Path(store.url, "shard-00000/done.json"), parts=named)
        return sizes(folders)

    monkeypatch.setattr(store.folder, "sizes", listed)
    lacking: dict[int, str] = {}
    (found,) = store.complete(lacking=lacking).values()
    assert (found.parts[0].file, lacking) == (compacted, {})


@pytest.mark.parametrize("how", DAMAGES)
def test_the_mend_of_a_damaged_part(store_factory: StoreFactory, tmp_path: Path, how: str) -> None:
    """Whoever embeds the shard anew keeps what is whole, and nothing that is not."""
    store = store_factory(tmp_path, {0: [40, 30, 20], 1: [40, 30]})
    before = Path(store.url, "shard-00000/done.json").read_bytes()
    kept = {part.file: Path(store.url, part.file).read_bytes() for part in store.parts()}
    damaged(how, Path(store.url, store.parts()[1].file), Path(store.url, store.parts()[4].file))
    Path(store.url, "shard-00000/done.json").unlink()
    writer = store.writer(0)
    assert (writer.position, writer.parts) == (40, 1)
    write_shard(store, 0, [40, 30, 20])
    assert {part.file: Path(store.url, part.file).read_bytes() for part in store.parts()} == kept
    assert Path(store.url, "shard-00000/done.json").read_bytes() == before


def test_any_flipped_bit_of_an_open_part(store_factory: StoreFactory, tmp_path: Path) -> None:
    store = store_factory(tmp_path, {0: [10]})
    file = Path(store.url, store.parts()[0].file)
    Path(store.url, "shard-00000/done.json").unlink()
    data = file.read_bytes()
    for at in np.random.default_rng(0).choice(len(data), 60, replace=False):
        file.write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
        assert store.writer(0).parts == 0
        assert not file.exists()
    file.write_bytes(data)
    assert store.writer(0).parts == 1


def test_a_flipped_bit_of_a_thumbnail(store_factory: StoreFactory, tmp_path: Path) -> None:
    """It is noticed by whoever reads thumbnails, and is no matter of the others."""
    store = store_factory(tmp_path, {0: [40]})
    (part,) = store.parts()
    file = Path(store.url, part.file)
    data = bytearray(file.read_bytes())
    data[data.index(b"JFIF")] ^= 1
    file.write_bytes(data)
    assert sum(map(len, store.read(part, ["id", "embedding"]))) == 40
    with pytest.raises(StoreError, match="its SHA-256 is"):
        list(store.read(part, ["thumbnail"]))


def test_a_damaged_thumbnail_is_not_shown(
    store_factory: StoreFactory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor those of its row group, of 256 rows, which have one checksum."""
    store = store_factory(tmp_path, {0: [300]})
    part = "shard-00000/part-00000.parquet"
    wanted = [(part, n, f"0/{n}") for n in (7, 8, 299)]
    keys = [thumbnails.key(part, id) for _, _, id in wanted]
    right = thumbnails.read(store.url, wanted)
    assert list(right) == keys
    assert all(right.values())
    file = Path(store.url, part)
    flip(file, file.read_bytes().index(b"JFIF"))
    assert thumbnails.read(store.url, wanted) == {keys[2]: right[keys[2]]}
    (said,) = caplog.messages
    assert said.startswith(f"no thumbnails from {file}, rows 0 to 255 (")


@pytest.mark.parametrize("remote", [False, True])
def test_no_more_is_read_than_is_compared(
    store_factory: StoreFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remote: bool
) -> None:
    """Thumbnails stay where they are."""
    store = store_factory(tmp_path, {0: [2000]}, thumbnail=b"x" * 5000)
    (part,) = store.parts()
    monkeypatch.setattr(store.folder, "local", not remote)
    read, ranges = [0], store.folder.read_ranges

    def counted(name: str, wanted: list[tuple[int, int]]) -> list[bytes]:
        read[0] += sum(stop - start for start, stop in wanted)
        return ranges(name, wanted)

    monkeypatch.setattr(store.folder, "read_ranges", counted)
    assert sum(map(len, store.read(part, ["id", "embedding"]))) == 2000
    assert 2000 * 16 * 2 < read[0] < part.part.bytes / 10
    assert sum(map(len, store.read(part, ["id"]))) == 2000  # compared already
    assert read[0] < part.part.bytes / 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shard": 1}, "it is that of shard 1"),
        ({"rows": 6}, "it counts 6 rows, its parts have 7"),
        ({"rejects": 2}, "it counts 2 rejects, its reasons have 0"),
        ({"twice": 1}, "it names shard-00000/part-00000.parquet, not shard-00000/part-00001"),
        ({"sha256": "abc"}, "it does not describe shard-00000/part-00000.parquet as embed does"),
        ({"parts": None}, ""),
        ({"reasons": 3}, ""),
    ],
)
def test_a_marker_that_contradicts_itself(
    store_factory: StoreFactory, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    store = store_factory(tmp_path, {0: [3, 4]})
    file = Path(store.url, "shard-00000/done.json")
    parts = json.loads(file.read_text())["parts"]
    if "twice" in change:
        change = {"parts": [parts[0], parts[0]]}
    elif "sha256" in change:
        change = {"parts": [parts[0] | change, parts[1]]}
    edit_sealed(file, **change)
    with pytest.raises(StoreError) as error:
        store.committed()
    assert str(error.value).startswith(f"{file} is damaged ({message}")
    assert str(error.value).endswith("; remove it and embed shards=0 again")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"dtype": "float32"}, r"other columns \(embedding\)"),
        ({"precision": "fp32"}, "another fingerp"),
    ],
)
def test_an_edited_store_json(
    store_factory: StoreFactory, tmp_path: Path, change: dict[str, Any], what: str
) -> None:
    store = store_factory(tmp_path, {0: [3]})
    file = Path(store.url, "store.json")
    values = json.loads(file.read_text())
    values["fingerprint"] |= change
    file.write_text(json.dumps(values))
    edited = Store.open(store.url)
    with pytest.raises(StoreError, match=rf"store\.json was changed after .*{what}.* back, or"):
        list(edited.read(edited.parts()[0]))


def test_a_store_json_that_contradicts_itself(store_factory: StoreFactory, tmp_path: Path) -> None:
    store = store_factory(tmp_path, {0: [3]})
    file = Path(store.url, "store.json")
    for name, value in (("dim", 17), ("dtype", "float15"), ("sharding_count", 0)):
        values = json.loads(file.read_text())
        section = values["fingerprint"]
        (section["model"] if name == "dim" else section)[name] = value
        other = tmp_path / name / "store.json"
        other.parent.mkdir()
        other.write_text(json.dumps(values))
        with pytest.raises(StoreError, match="is not what embed wrote"):
            Store.open(str(other.parent))
