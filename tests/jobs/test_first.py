"""What the jobs that start first say of all others."""

from __future__ import annotations

import types
from pathlib import Path

import numpy as np
import pytest

from clipvec import paths
from clipvec.config import WorkersLauncher
from clipvec.jobs import first
from clipvec.jobs.backend import Speed
from clipvec.jobs.forecast import MEASURED
from clipvec.jobs.plan import Job, Sweep
from clipvec.jobs.progress import StoreProgress
from clipvec.jobs.record import Record
from clipvec.store import Store
from tests.jobs.conftest import RUNNING, Scripted
from tests.stores import StoreFactory, edit_sealed, row


def write_part(store: Store) -> None:
    """Write the next part of 4 rows of shard 0."""
    writer = store.writer(0)
    numbers = range(writer.position, writer.position + 4)
    writer.write_part([row(0, n) for n in numbers], np.eye(4, 16, dtype=np.float32), numbers.stop)


def test_speed_is_measured_between_parts(
    tmp_path: Path, store_factory: StoreFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of 4 rows after 100 s, then one more each 10 s: 0.4 images/s, the first after 90 s."""
    store: Store = store_factory(tmp_path, {}, count=2)
    job = Job(0, (), (0,), store.url)
    record = Record.create(tmp_path / "s", Sweep("e", "clipvec.embed", WorkersLauncher(), (job,)))
    record.save_ids({0: "7"}, [job])
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += 10.0
        if now[0] >= 100.0:
            write_part(store)

    monkeypatch.setattr(first, "time", types.SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    before = first.Found.of([job])
    runs, progress = Scripted({0: RUNNING}), StoreProgress([job])
    found = first.wait_for_parts(record.started(), before, 1, runs, progress)
    assert found == Speed(0.4, 90.0, MEASURED)


def test_what_was_there_before_is_no_measurement(
    tmp_path: Path, store_factory: StoreFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three shards one is complete, one has lost a part, and one has a first part."""
    store: Store = store_factory(tmp_path, {1: [4], 2: [4]}, count=3)
    for shard in (1, 2):
        done = Path(store.url, paths.ShardPaths(shard).done)
        edit_sealed(done, timings={"embedded": 9, "seconds": 1.0})
    (lost,) = Path(store.url, paths.ShardPaths(2).folder).glob("part-*")
    lost.unlink()
    write_part(store)
    job = Job(0, (), (0, 1, 2), store.url)
    record = Record.create(tmp_path / "s", Sweep("e", "clipvec.embed", WorkersLauncher(), (job,)))
    record.save_ids({0: "7"}, [job])
    before, now = first.Found.of([job]), [0.0]
    assert ([shard for _, shard in before.markers], before.rows) == ([1], 8)

    def sleep(seconds: float) -> None:
        now[0] += 10.0
        if now[0] >= 100.0:
            write_part(store)

    monkeypatch.setattr(first, "time", types.SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    runs, progress = Scripted({0: RUNNING}), StoreProgress([job])
    found = first.wait_for_parts(record.started(), before, 1, runs, progress)
    assert found == Speed(0.4, 90.0, MEASURED)
