"""An index of one's own is measured as it lies, on a copy, or on its server."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from pathlib import Path

import pytest

from clipvec import paths
from clipvec.config import ChromaConfig, FaissConfig
from clipvec.index import open_index
from clipvec.index.build import build_index
from clipvec.index.chroma.server import chroma_server
from clipvec.recall import worker
from tests.index.conftest import build_config
from tests.recall.conftest import (
    DIM,
    ROWS,
    Ground,
    measured,
    recalls,
    systems,
)

pytestmark = pytest.mark.e2e  # a worker of its own measures each index


def digests(folder: str) -> dict[str, str]:
    """Return digests of the graph's files; SQLite writes to its own whenever it is opened."""
    files = sorted(Path(folder).rglob("*.bin")) + sorted(Path(folder).rglob("*.pickle"))
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_chroma_is_swept_on_a_copy(ground: Ground, tmp_path: Path) -> None:
    before = digests(ground.index.path)
    assert len(before) > 3
    sweep = {"ef_search": [10, 300]}
    chroma, http = measured(
        ground,
        tmp_path,
        {"selectivities": [0.5]},
        chroma={"kind": "chroma", "sweep": sweep},
        http={"kind": "chroma_http", "sweep": sweep},
    )
    assert digests(ground.index.path) == before
    with open_index(ground.index, ground.collection) as collection:
        assert collection.settings["ef_search"] == 100
    with open_index(ground.index, ground.collection) as collection:
        assert (collection.settings["ef_search"], collection.count()) == (100, ROWS)
    for system in (chroma, http):
        assert system.skipped == ""
        assert system.kind == "chroma"
        assert system.factory == "HNSW max_neighbors=16 ef_construction=100"
        assert [s.parameters for s in system.settings] == [{"ef_search": e} for e in (10, 300)]
        low, high = map(recalls, system.settings)
        assert low["text", 1] < high["text", 1]
        assert high["text", 10] > 0.99
        assert high["image", 10] > 0.99
        birds = [f.recall.value for f in system.settings[1].filtered]
        assert len(birds) == 2
        assert min(birds) > 0.98
        assert system.build is not None
        assert system.build.rows == ROWS
        assert 0 < (system.build.seconds or 0) < 60
        assert 50e6 < (system.build.peak_bytes or 0) < 5e9
        assert system.build.disk_bytes > sum(Path(file).stat().st_size for file in before)
    # the copies are gone
    assert not list(tmp_path.rglob("chroma.sqlite3"))


def test_an_index_on_disk_is_swept_as_it_lies(ground: Ground, tmp_path: Path) -> None:
    index = FaissConfig(path=str(tmp_path / "index"), factory="IVF16,SQ8")
    build_index(build_config(Path(ground.store).parents[1], index))
    live = Ground(ground.store, index, ground.query_sets)
    disk, chroma = measured(
        live,
        tmp_path / "work",
        {"selectivities": [0.5]},
        disk={"kind": "disk", "sweep": {"nprobe": [1, 16], "candidates": [50]}},
        chroma={"kind": "chroma"},
    )
    assert (disk.kind, disk.factory, disk.skipped) == ("disk", "IVF16,SQ8", "")
    assert [s.parameters for s in disk.settings] == [
        {"nprobe": nprobe, "candidates": 50} for nprobe in (1, 16)
    ]
    low, high = map(recalls, disk.settings)
    assert low["text", 10] < high["text", 10]
    assert high["text", 10] > 0.99
    assert min(f.recall.value for f in disk.settings[1].filtered) > 0.98
    assert disk.build is not None
    assert disk.build.rows == ROWS
    assert disk.build.disk_bytes > ROWS * DIM * 2
    assert "is not Chroma's (index=faiss); measure an index on disk" in chroma.skipped
    (wrong,) = measured(ground, tmp_path / "other", disk={"kind": "disk"})
    assert "is not on disk (index=chroma)" in wrong.skipped


def test_a_copy_on_a_full_disk(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(source: Path, copy: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(source), None, str(copy))

    monkeypatch.setattr(shutil, "copyfile", fail)
    sweep = {"kind": "chroma", "sweep": {"ef_search": [10]}}
    (task,) = ground.runner(tmp_path, None)._tasks(systems(chroma=sweep))
    skipped = worker.measure(task).skipped
    assert f"No space left on device: '{ground.index.path}/{ground.collection}/" in skipped
    assert skipped.endswith("; free space in work_dir, make it writable, or choose another")


def test_a_live_server_is_measured_in_place(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('that of the current folder')")
    monkeypatch.chdir(tmp_path)
    source = paths.IndexPaths(ground.index.path).collection(ground.collection)
    with chroma_server(source, tmp_path / "server.log") as index:
        served = Ground(ground.store, index, ground.query_sets)
        chroma, http = measured(
            served,
            tmp_path,
            chroma={"kind": "chroma"},
            http={"kind": "chroma_http", "sweep": {"ef_search": [7]}},
        )
    assert "toys--toy is on a server" in chroma.skipped
    assert http.build is None
    assert [s.parameters for s in http.settings] == [{"ef_search": 100}]
    assert recalls(http.settings[0])["text", 10] > 0.9


def test_partitions_are_skipped(ground: Ground, tmp_path: Path) -> None:
    index = ChromaConfig(path=str(tmp_path / "index"))
    root = Path(ground.store).parents[1]
    for shard in (0, 1):
        build_index(build_config(root, index, partition=shard))
    apart = Ground(ground.store, index, ground.query_sets)
    (chroma,) = measured(apart, tmp_path / "work", chroma={"kind": "chroma"})
    assert chroma.skipped == (
        "toys--toy is in 2 partitions (toys--toy--shards-0, toys--toy--shards-1), which are not "
        "measured together; load all shards into one collection in another place and measure "
        "that: clipvec index and clipvec recall, both with another index.path"
    )
