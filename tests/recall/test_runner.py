"""Systems measured from end to end: real processes, real indexes."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import faiss
import numpy as np
import psutil
import pytest

from clipvec import paths
from clipvec.errors import DiskFullError
from clipvec.index.chroma.client import chroma_errors
from clipvec.recall import worker
from clipvec.recall.measure import Measurer
from clipvec.recall.recall_at_k import Ties
from clipvec.recall.results import Parameters
from clipvec.recall.workload import QuerySet, Workload
from tests.recall.conftest import (
    DIM,
    FLAT,
    ROWS,
    Ground,
    measure_config,
    measured,
    recalls,
    systems,
)
from tests.stores import make_store
from tests.waiting import until

pytestmark = pytest.mark.e2e  # a worker of its own measures each system

HNSW = {
    "kind": "faiss",
    "factory": "HNSW8",
    "build": {"efConstruction": 40},
    "sweep": {"efSearch": [10, 60]},
}


def test_flat_finds_everything(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "queue.py").write_text("raise SystemExit('that of the current folder')")
    monkeypatch.chdir(tmp_path)
    (flat,) = measured(ground, tmp_path, {"selectivities": [0.1, 0.5]}, flat=FLAT)
    (setting,) = flat.settings
    assert (flat.kind, flat.factory, setting.parameters) == ("faiss", "Flat", {})
    assert set(recalls(setting)) == {(k, n) for k in ("image", "text") for n in (1, 10)}
    assert set(recalls(setting).values()) == {1.0}
    assert [(q.kind, q.queries) for q in setting.recall] == [("image", 150), ("text", 100)]
    assert all(q.selection[10].value == q.validation[10].value == 1 for q in setting.recall)
    assert [(s.kind, s.batch_size, s.concurrency) for s in setting.latency] == [
        (kind, *mode) for kind in ("image", "text") for mode in ((1, 1), (8, 1), (1, 2))
    ]
    assert [(f.filter, f.kind, f.selectivity, f.recall.value) for f in setting.filtered] == [
        (words, kind, share, 1.0)
        for words, share in (("width < 200", 0.1), ("category = bird", 0.5))
        for kind in ("image", "text")
    ]
    assert {f.queries for f in setting.filtered} == {40}
    for timed in (*setting.latency, *setting.filtered):
        assert 0 < timed.qps_low <= timed.qps <= timed.qps_high
    assert all(speed.calls >= 3 * 10 for speed in setting.latency)
    assert all((s.p99_ms is None) == (s.calls < 100) for s in setting.latency)
    age = datetime.now(UTC) - datetime.fromisoformat(flat.measured)
    assert timedelta(0) <= age < timedelta(minutes=1)
    assert flat.build is not None
    assert flat.build.rows == ROWS
    assert flat.build.disk_bytes == pytest.approx(4 * DIM * ROWS, rel=0.01)
    assert 50e6 < (flat.build.peak_bytes or 0) < 1e9
    assert (flat.build.seconds or 0) > 0


def test_hnsw_is_as_good_as_bare_faiss(ground: Ground, tmp_path: Path) -> None:
    """At the same M and ef, for each k: the harness requests exactly k rows."""
    (hnsw,) = measured(ground, tmp_path, hnsw=HNSW)
    matrix = ground.matrix
    bare = faiss.IndexHNSWFlat(DIM, 8, faiss.METRIC_INNER_PRODUCT)
    bare.hnsw.efConstruction = 40
    bare.add(matrix)
    queries = ground.query_sets["text"].vectors
    exact = np.argsort(-(queries @ matrix.T), axis=1)
    assert [s.parameters for s in hnsw.settings] == [{"efSearch": 10}, {"efSearch": 60}]
    for setting in hnsw.settings:
        bare.hnsw.efSearch = setting.parameters["efSearch"]
        (text,) = (q for q in setting.recall if q.kind == "text")
        for k, interval in text.recall_at.items():
            found = bare.search(queries, k)[1]
            value = np.mean(
                [len(set(f) & set(e[:k])) / k for f, e in zip(found, exact, strict=True)]
            )
            assert interval.low <= value <= interval.high
    low, high = map(recalls, hnsw.settings)
    assert low["text", 10] < high["text", 10] < 1


def test_all_kinds_of_faiss_index(ground: Ground, tmp_path: Path) -> None:
    named = {
        "ivf": {"factory": "IVF{nlist},Flat", "sweep": {"nprobe": [2, 32]}},
        "pq": {
            "factory": "IVF{nlist},PQ{m}np,RFlat",
            "sweep": {"nprobe": [32], "k_factor_rf": [2, 50]},
            "code_rows": 1024,
        },
        "sq": {"factory": "HNSW8_SQ8", "sweep": {"efSearch": [100]}},
        "opq": {"factory": "OPQ8,IVF{nlist},PQ8np", "sweep": {"nprobe": [32]}, "code_rows": 1024},
    }
    found = measured(
        ground,
        tmp_path,
        {"selectivities": [0.5], "recall_at": [10]},
        **{name: {"kind": "faiss", **values} for name, values in named.items()},
    )
    assert [(c.name, c.factory, c.skipped) for c in found] == [
        ("ivf", "IVF32,Flat", ""),
        ("pq", "IVF32,PQ4np,RFlat", ""),
        ("sq", "HNSW8_SQ8", ""),
        ("opq", "OPQ8,IVF32,PQ8np", ""),
    ]
    by = {c.name: [recalls(s)["text", 10] for s in c.settings] for c in found}
    assert by["ivf"][0] < 0.8
    assert by["ivf"][1] == 1  # all 32 lists
    assert by["pq"][0] + 0.1 < by["pq"][1]
    assert by["pq"][1] > 0.95
    assert by["sq"][0] > 0.9
    assert 0.2 < by["opq"][0] < 0.95
    for system in found:
        assert all(len(setting.filtered) == 2 for setting in system.settings)
    assert found[0].settings[1].filtered[0].recall.value == 1


def test_an_index_on_a_full_disk(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of FAISS, and what Chroma says of it; /dev/full is a disk without space."""
    (task,) = ground.runner(tmp_path, None)._tasks(systems(flat=FLAT))
    task.scratch.mkdir(parents=True)
    paths.ScratchPaths(task.scratch).faiss_index.symlink_to("/dev/full")
    mend = "; free space in work_dir, make it writable, or choose another"
    assert worker.measure(task).skipped == f"[Errno 28] No space left on device{mend}"
    with pytest.raises(DiskFullError, match="the disk is full"), chroma_errors("there"):
        raise OSError("database or disk is full (code: 13)")


def test_settings_take_turns() -> None:
    """In every round, so that a slow moment does not affect only one of them."""
    taken: list[int] = []
    asked: list[int] = []

    class Counting:
        """A stand-in for an index that records its queries and their times."""

        def set_search_params(self, parameters: Parameters) -> None:
            taken.append(int(parameters["ef"]))

        def candidates_examined(self, k: int) -> int:
            return k

        def search_ids(self, vectors: np.ndarray, k: int) -> np.ndarray:
            return np.zeros((len(vectors), k), np.int64)

        def query(self, vectors: np.ndarray, k: int) -> np.ndarray:
            return self.search_ids(vectors, k)

        def start_client_thread(self) -> None:
            pass

    vectors = np.eye(4, dtype=np.float32)
    rows, scores = np.arange(16).reshape(4, 4) % 4, np.ones((4, 4), np.float32)
    queries = QuerySet(vectors, np.full(4, -1), "drawn", rows, scores)
    options = measure_config(recall_at=[1], k=1)
    workload, ties = Workload({"text": queries}, []), Ties(vectors.__getitem__)
    measurer = Measurer(Counting(), workload, options, 0.003, ties)  # type: ignore[arg-type]
    settings = measurer.measure([{"ef": 1}, {"ef": 2}], lambda: asked.append(taken[-1]))
    assert asked == [1, 2, 2, 1, 1, 2]
    assert taken == [1, 2, 1, 2]
    assert [s.parameters for s in settings] == [{"ef": 1}, {"ef": 2}]
    assert [(s.batch_size, s.concurrency) for s in settings[1].latency] == [(1, 1), (8, 1), (1, 2)]


def test_a_failing_system_is_skipped_alone(
    ground: Ground, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    bogus, many, crash, flat = measured(
        ground,
        tmp_path,
        bogus={"kind": "faiss", "factory": "IVF64,Bogus"},
        many={"kind": "faiss", "factory": "PQ4", "train_rows": 100},
        # a graph of a hundred million links a row does not fit into any memory
        crash={"kind": "faiss", "factory": "HNSW100000000"},
        flat=FLAT,
    )
    assert bogus.skipped.startswith("factory 'IVF64,Bogus' with D = 32: FAISS says: ")
    assert "256" in many.skipped
    assert crash.skipped
    assert flat.settings
    assert "bogus: not measured: factory 'IVF64,Bogus'" in caplog.text
    assert [p.name.split("-")[0] for p in (tmp_path / "results").iterdir()] == ["flat"]


def test_a_dead_process_is_reported(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killer = tmp_path / "python"
    killer.write_text("#!/bin/sh\nkill -KILL $$\n")
    killer.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(killer))
    (flat,) = measured(ground, tmp_path, flat=FLAT)
    assert flat.skipped.startswith("its process was ended by SIGKILL, as the kernel does when mem")


def test_other_rows_and_other_vectors_are_skipped(ground: Ground, tmp_path: Path) -> None:
    store = make_store(tmp_path, {0: [1200, 300], 1: [500]}, dim=DIM, weights="x" * 64)
    other = Ground(store.url, ground.index, ground.query_sets)
    chroma, flat = measured(other, tmp_path / "work", chroma={"kind": "chroma"}, flat=FLAT)
    assert "was made with model weights" in chroma.skipped
    assert flat.settings


def test_measurements_are_kept(ground: Ground, tmp_path: Path) -> None:
    first = measured(ground, tmp_path, flat=FLAT, hnsw=HNSW)
    assert measured(ground, tmp_path, flat=FLAT, hnsw=HNSW) == first
    wider = {**HNSW, "sweep": {"efSearch": [10, 61]}}
    again = measured(ground, tmp_path, flat=FLAT, hnsw=wider)
    assert again[0] == first[0]
    assert again[1] != first[1]
    # other options are other measurements
    assert measured(ground, tmp_path, {"seed": 1}, flat=FLAT)[0] != first[0]


def test_measurements_under_other_conditions_are_repeated(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = measured(ground, tmp_path, flat=FLAT)
    for name, other in (
        ("clipvec.recall.task.processor", lambda: "Another CPU"),
        ("clipvec.version.version", lambda: "9.9"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(name, other)
            assert measured(ground, tmp_path, flat=FLAT)[0] != first, name
    # beside another system, each has less time
    assert measured(ground, tmp_path, flat=FLAT, hnsw=HNSW)[0] != first
    assert len(list((tmp_path / "results").glob("flat-*"))) == 4


RUN = """
import pickle, sys
runner, systems = pickle.load(sys.stdin.buffer)
for result in runner.run(systems):
    print(result.name, flush=True)
"""


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_run_resumes(ground: Ground, tmp_path: Path, signum: int) -> None:
    named = {"flat": FLAT, "http": {"kind": "chroma_http"}}
    task = tmp_path / "task.pickle"
    task.write_bytes(
        pickle.dumps((ground.runner(tmp_path, {"time_budget_s": 1}), systems(**named)))
    )
    with (
        task.open("rb") as stdin,
        subprocess.Popen(
            [sys.executable, "-c", RUN],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == "flat\n"
        server = server_of(process.pid)
        descendants = psutil.Process(process.pid).children(recursive=True)
        assert server in descendants
        os.kill(process.pid, signum)
        process.wait(30)
    assert psutil.wait_procs(descendants, timeout=30)[1] == []
    (kept,) = (tmp_path / "results").iterdir()
    written = kept.stat().st_mtime_ns
    flat, http = measured(ground, tmp_path, {"time_budget_s": 1}, **named)
    assert kept.stat().st_mtime_ns == written
    assert flat.settings
    assert http.settings


def server_of(pid: int) -> psutil.Process:
    """Wait for the Chroma server that the second system starts."""

    def servers() -> Iterator[psutil.Process]:
        for process in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.Error):
                if "--path" in process.cmdline():
                    yield process

    found: list[psutil.Process] = []
    until(lambda: found.extend(servers()) or found)
    return found[0]
