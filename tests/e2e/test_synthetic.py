"""A store of synthetic vectors end to end: embedded, resumed, indexed, and invalid options."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest

from clipvec.config import SyntheticConfig
from clipvec.data import SyntheticDataset
from clipvec.recall import report
from clipvec.store import Store
from tests.e2e.conftest import Run

SMALL = ["experiment=synthetic", "dataset.dim=32", "dataset.clusters=50"]
STORE = "data/store/synthetic/synthetic"


def test_an_ordinary_store(run: Run, tmp_path: Path) -> None:
    options = [*SMALL, "dataset.rows=5000", "batch_size=100", "part_rows=200"]
    first = run("embed", *options, "shards=3")
    assert first.stdout.startswith("1 shard: 500 images, 0 rejects, ")
    for lost in ("done.json", "part-00002.parquet"):
        (tmp_path / STORE / "shard-00003" / lost).unlink()
    assert "resuming after 2 parts (400 rows)" in run("embed", *options).stderr
    again = run("embed", *options)
    assert again.stdout.startswith("nothing to do: 10 shards already committed")
    store = Store.open(str(tmp_path / STORE))
    assert store.fingerprint.model.arch == "synthetic"
    assert (len(store.fingerprint.model.golden.image), store.fingerprint.thumbnail) == (32, 0)
    table = pq.read_table(sorted((tmp_path / STORE).rglob("part-*.parquet")))
    own = ["id", "embedding", "uri", "caption", "width", "height", "_source", "_digest"]
    assert table.column_names == [*own, "bucket"]
    assert table["id"].to_pylist() == [f"{row:010d}" for row in range(5000)]
    assert table["uri"][4999].as_py() == "synthetic://0/4999"
    assert table["caption"].null_count == 5000
    config = SyntheticConfig(name="synthetic", rows=5000, dim=32, clusters=50, seed=0)
    vectors, _ = SyntheticDataset(config).read(range(5000))
    stored = np.stack(table["embedding"].to_numpy(zero_copy_only=False))
    np.testing.assert_array_equal(stored, vectors.astype(np.float16))


def test_indexed_but_not_searched_by_text(run: Run) -> None:
    run("embed", *SMALL, "dataset.rows=2000")
    done = run("index", *SMALL, "dataset.rows=2000")
    assert "2,000 rows" in done.stdout
    refused = run("search", "a bird", exit_code=2).stderr.splitlines()
    assert refused[-1].startswith("error: model=synthetic stands for synthetic vectors")


SIZES = ["dataset.rows=1_000,3_000", "dataset.name=synthetic-${dataset.rows}"]
MEASURE = ["systems=quick", "measure=quick", "measure.time_budget_s=0.5", "measure.recall_at=[10]"]


def test_a_sweep_of_sizes_measures_each(run: Run, tmp_path: Path) -> None:
    for command in ("embed", "index"):
        run(command, "-m", *SMALL, *SIZES)
    run("recall", "-m", *SMALL, *SIZES, *MEASURE, "queries.images=50", "queries.texts=50")
    files = sorted(tmp_path.glob("data/reports/synthetic-*/report.json"))
    found = [report.read(file) for file in files]
    assert [(one.dataset, one.rows) for one in found] == [
        ("synthetic-1000", 1000),
        ("synthetic-3000", 3000),
    ]
    for one in found:
        assert [c.build and c.build.rows for c in one.systems] == [one.rows] * 3
    run("recall", "compare", str(files[0]), str(files[1]), "--to", "changes")


def test_a_store_other_than_the_requested_one_is_not_measured(run: Run) -> None:
    run("embed", *SMALL, "dataset.rows=300")
    for changed in ("dataset.rows=200", "dataset.seed=1", "dataset.dim=33", "dataset.clusters=9"):
        options = [*SMALL, "dataset.rows=300", changed]
        refused = run("recall", *options, exit_code=2).stderr.splitlines()
        assert refused[-1].startswith(f"error: {changed}: the store ")
        assert f"{STORE} was made with {changed.split('=')[0]}=" in refused[-1]
        assert refused[-1].endswith("; give the same, or the dataset.name of another store")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["dataset=synthetic"], "dataset=synthetic with model=vit_b_32: synthetic vectors"),
        (["model=synthetic"], "dataset=sample with model=synthetic: synthetic vectors"),
        (["dataset=synthetic", "model=synthetic"], "store.thumbnail=256: dataset=synthetic has no"),
        ([*SMALL, "dataset.rows=0"], "dataset.rows=0: input should be greater than"),
        ([*SMALL, "dataset.seed=-1"], "dataset.seed=-1: input should be greater than"),
    ],
)
def test_invalid_options_are_refused(run: Run, options: list[str], message: str) -> None:
    stderr = run("embed", *options, exit_code=2).stderr
    assert stderr.startswith(f"error: {message}")
    assert len(stderr.splitlines()) == 1


def test_memory_does_not_grow(tmp_path: Path) -> None:
    small, large = (peak(tmp_path / str(rows), rows) for rows in (20_000, 200_000))
    assert large < 1.15 * small


def peak(cwd: Path, rows: int) -> int:
    """Embed ``rows`` and return the highest resident memory of the process, in bytes."""
    cwd.mkdir()
    command = [sys.executable, "-m", "clipvec.embed", *SMALL, f"dataset.rows={rows}"]
    process = subprocess.Popen([*command, "sharding=x1"], cwd=cwd, stderr=subprocess.DEVNULL)
    watched, highest = psutil.Process(process.pid), 0
    while process.poll() is None:
        try:
            highest = max(highest, watched.memory_info().rss)
            process.wait(0.02)
        except (psutil.NoSuchProcess, subprocess.TimeoutExpired):
            continue
    assert process.returncode == 0
    return highest
