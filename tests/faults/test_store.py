"""Single faults of a store: each is told by all that read it, and its mend heals."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clipvec.check.run import check
from clipvec.config import ChromaConfig
from clipvec.errors import StoreError
from clipvec.index import open_index
from clipvec.index.build import build_index
from clipvec.recall import queries
from clipvec.recall.ground_truth import ground_truth
from clipvec.recall.queries import QuerySource
from clipvec.store import Rows, Store
from tests.check.test_run import asked
from tests.faults.readers import nearest, search, serve
from tests.index.conftest import build_config
from tests.index.test_build import NAME, assert_equal, rows_of
from tests.stores import (
    INDEXED,
    edit,
    edit_fingerprint,
    edit_sealed,
    flip,
    make_store,
    write_shard,
)

FIRST, PART = "part-00000.parquet", "part-00001.parquet"


def zeros(file: Path) -> None:
    file.symlink_to("/dev/zero")


def replace_by(make: Callable[[Path], object], file: Path) -> None:
    file.unlink()
    make(file)


def take(shard: Path, other: Path) -> None:
    """Put a part of another shard where one was, and in its marker what the other's says of it."""
    shutil.copy(other / PART, shard / PART)
    mine, theirs = (json.loads((folder / "done.json").read_text()) for folder in (shard, other))
    entry = {**theirs["parts"][1], "file": f"{shard.name}/{PART}"}
    edit_sealed(shard / "done.json", parts=[mine["parts"][0], entry])


def take_from_other_store(shard: Path, other: Path) -> None:
    store = make_store(other.parent / "elsewhere", INDEXED, digest="e" * 64)
    take(shard, Path(store.url, shard.name))


FAULTS: dict[str, Callable[[Path, Path], object]] = {
    "vector flipped": lambda shard, other: flip(shard / PART, 700),
    "footer flipped": lambda shard, other: flip(shard / PART, -200),
    "cut": lambda shard, other: (shard / PART).write_bytes((shard / PART).read_bytes()[:-1]),
    "gone": lambda shard, other: (shard / PART).unlink(),
    "a pipe": lambda shard, other: replace_by(os.mkfifo, shard / PART),
    "a device": lambda shard, other: replace_by(zeros, shard / PART),
    "a folder": lambda shard, other: replace_by(Path.mkdir, shard / PART),
    "the first is a pipe": lambda shard, other: replace_by(os.mkfifo, shard / FIRST),
    "the first has no footer": lambda shard, other: (shard / FIRST).write_bytes(b"PAR1" * 99),
    "of another shard": lambda shard, other: shutil.copy(other / PART, shard / PART),
    "of another shard, marker too": take,
    "of another store, marker too": take_from_other_store,
    "swapped": lambda shard, other: shutil.copy(shard / FIRST, shard / PART),
    "marker of another shard": lambda shard, other: shutil.copy(
        other / "done.json", shard / "done.json"
    ),
    "marker cut": lambda shard, other: (shard / "done.json").write_text("{"),
    "marker counts too few": lambda shard, other: edit_sealed(shard / "done.json", rows=69),
    "marker names fewer parts": lambda shard, other: edit(
        shard / "done.json",
        parts=json.loads((shard / "done.json").read_text())["parts"][:1],
        rows=INDEXED[0][0],
    ),
}


def measure(root: Path) -> None:
    rows = Rows.open(f"{root}/store/toys/toy")
    images = QuerySource({"kind": "image"}, lambda: queries.images(rows, 5, 0))
    ground_truth(rows, {"image": images}, 3)


@pytest.mark.parametrize("name", FAULTS)
def test_a_damaged_store(root: Path, name: str) -> None:
    """No index is spoilt by it, and what was whole is kept."""
    url, index = f"{root}/store/toys/toy", ChromaConfig(f"{root}/index")
    truth, best = rows_of(Store.open(url)), nearest(root)
    whole = {file: file.read_bytes() for file in Path(url).rglob("*.*")}
    FAULTS[name](Path(url, "shard-00000"), Path(url, "shard-00001"))
    command = build_config(root / "store", index)
    new = build_config(root / "store", ChromaConfig(f"{root}/new"))
    for read in (
        lambda: build_index(new),
        lambda: build_index(build_config(root / "store", index, rebuild=True)),
        lambda: measure(root),
        lambda: check(asked(root)).raise_faults(),
    ):
        with pytest.raises(StoreError):
            read()
    with pytest.raises(StoreError, match=r"shard-00000/.*remove .*embed shards=0 again"):
        measure(root)
    assert search(root) == serve(root) == best  # of the index, which is right
    with open_index(index) as opened:
        there = opened.vectors(list(truth))
    assert there.keys() == truth.keys()
    Path(url, "shard-00000/done.json").unlink()
    if Path(url, "shard-00000", PART).is_dir():
        with pytest.raises(StoreError, match=rf"{PART}: .*; a file belongs there: remove that fol"):
            write_shard(Store.open(url), 0, INDEXED[0])
        Path(url, "shard-00000", PART).rmdir()
    write_shard(Store.open(url), 0, INDEXED[0])
    assert {file: file.read_bytes() for file in whole} == whole
    assert build_index(command).rows == 140
    assert check(asked(root)).faults == []
    for id, vector in rows_of(Store.open(url)).items():
        np.testing.assert_array_equal(vector, truth[id])


def test_a_damaged_thumbnail(root: Path, tmp_path: Path) -> None:
    """It is in no page, and every other row is."""
    shard, index = root / "store/toys/toy/shard-00000", ChromaConfig(f"{root}/index")
    build_index(build_config(root / "store", index, rebuild=True))  # of this copy of the store
    flip(shard / PART, (shard / PART).read_bytes().index(b"JFIF"))
    page = tmp_path / "page.html"
    found = search(root, "-k", "140", "--html", str(page))
    assert len(found) == 140
    assert page.read_text().count("data:image/jpeg") == 140 - INDEXED[0][1]
    with pytest.raises(StoreError, match=r"fault in"):
        check(asked(root)).raise_faults()


def held(index: ChromaConfig) -> dict[str, np.ndarray]:
    """Return the vector of every row that an index has, also of those that the store lost."""
    with open_index(index, NAME, bare=True) as collection:
        found = collection._rows.get(include=["embeddings"])
    return dict(zip(found["ids"], np.asarray(found["embeddings"]), strict=True))


def test_nothing_is_dropped_for_what_is_damaged(root: Path) -> None:
    """Neither for the marker of another shard, nor for a new part that is not whole."""
    store, index = Store.open(f"{root}/store/toys/toy"), ChromaConfig(f"{root}/index")
    before = held(index)
    shard, other = (Path(store.url) / f"shard-0000{n}" for n in (0, 1))
    kept = (shard / "done.json").read_bytes()
    shutil.copy(other / "done.json", shard / "done.json")
    for rebuild in (False, True):
        with pytest.raises(StoreError, match="it is that of shard 1"):
            build_index(build_config(root / "store", index, rebuild=rebuild))
    (shard / "done.json").write_bytes(kept)
    for number, folder in enumerate((shard, other)):
        shutil.rmtree(folder)
        write_shard(store, number, [25], seed=1)
    part = other / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-1])
    for rebuild in (False, True):
        with pytest.raises(StoreError, match=r"lacks 1 of 2 shards: 1 \(shard-00001/.* has .*add"):
            build_index(build_config(root / "store", index, rebuild=rebuild))
    assert held(index).keys() == before.keys()
    (other / "done.json").unlink()
    write_shard(store, 1, [25], seed=1)
    assert build_index(build_config(root / "store", index)).rows == 50
    assert_equal(index, store)


def test_the_checksum_decides_who_is_wrong(root: Path) -> None:
    """A damaged store is named, not the index that differs from it."""
    store, index = Store.open(f"{root}/store/toys/toy"), ChromaConfig(f"{root}/index")
    before = held(index)
    flip(Path(store.url) / "shard-00000/part-00000.parquet", 450)
    for rebuild in (False, True):
        with pytest.raises(StoreError, match=r"part-00000.parquet is missing or damaged"):
            build_index(build_config(root / "store", index, rebuild=rebuild))
    np.testing.assert_equal(held(index), before)


EDITS: dict[str, dict[str, Any]] = {
    "attributes": {"attributes": {}},
    "dtype": {"dtype": "float32"},
    "caption": {"dataset": {"caption": "text"}},
    "shards": {"sharding_count": 3},
    "thumbnail": {"thumbnail": 0},
    "weights": {"model": {"weights": "v" * 64}},
    "preprocessing": {"model": {"preprocessing": {"size": 9}}},
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_store_json(root: Path, name: str) -> None:
    """It is named, whoever reads it, and not what differs from it."""
    file = root / "store/toys/toy/store.json"
    kept = file.read_bytes()
    edit_fingerprint(file, EDITS[name])
    new = ChromaConfig(f"{root}/new")
    for read in (
        lambda: build_index(build_config(root / "store", ChromaConfig(f"{root}/index"))),
        lambda: build_index(build_config(root / "store", new, allow_partial=True)),
        lambda: measure(root),
        lambda: Store.open(str(file.parent)).check_fingerprint(),
    ):
        with pytest.raises(
            StoreError, match=r"store\.json was changed after embed wrote it: .*put"
        ):
            read()
    assert [fault for fault in check(asked(root)).faults if "store.json was changed" in fault][
        1:
    ] == []
    file.write_bytes(kept)
    assert check(asked(root)).faults == []


MARKERS: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "gone with its shard": lambda file: shutil.rmtree(file.parent),
    "cut": lambda file: file.write_text("{"),
    "names a part twice": lambda file: edit_sealed(
        file, parts=json.loads(file.read_text())["parts"][:1] * 2
    ),
    "a pipe": lambda file: replace_by(os.mkfifo, file),
    "a device": lambda file: replace_by(zeros, file),
}


@pytest.mark.parametrize("name", MARKERS)
def test_a_shard_without_its_marker(
    root: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is what lacks, and not the index that has too much."""
    file = root / "store/toys/toy/shard-00000/done.json"
    MARKERS[name](file)
    *_, told = faults = check(asked(root)).faults
    assert told == (
        f"70 rows of {root}/index/toys--toy are of shards that are not finished (0), or not in the "
        "store; run the clipvec embed that made these again, then clipvec index"
    )
    assert not any("--rebuild" in fault for fault in faults)
    said = "shards that are not finished are not checked: 0; clipvec embed "
    assert [text for text in caplog.messages if "not checked" in text] == [f"{said}finishes them"]
    if faults[1:]:  # they say to remove it
        assert f"{file} is damaged" in faults[0]
        file.unlink()
    write_shard(Store.open(str(file.parents[1])), 0, INDEXED[0])
    assert build_index(build_config(root / "store", ChromaConfig(f"{root}/index"))).rows == 140
    assert check(asked(root)).faults == []
