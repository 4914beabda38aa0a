"""The sum of what many rows take, from what few took."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import plan as benchmark
from benchmarks.faiss_index import Measured

INDEX = Measured(
    rows_per_s=1000,
    rows_per_cpu_s=4000,
    qps=300,
    recall=0.99,
    setting={"nprobe": 32, "candidates": 200},
    own_bytes=20_000_000,
    queries_per_cpu_s=400,
    disk_bytes=1_200_000_000,
)
SMALL = benchmark.Small(
    rows=1_000_000,
    dim=512,
    index=INDEX,
    peak_bytes=1_500_000_000,
    nprobe=32,
    flops=5e10,
    query_s=1e-3,
    code_s=1e-8,
    row_bytes=1100,
    thumbnail_bytes=6000,
)
LISTS = """InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,Region,SpotPrice
small,,,16.0,32.0,0.5,here,
large,,,16.0,512.0,3.0,here,
t4,T4,1.0,8.0,32.0,0.75,here,
l4,L4,1.0,8.0,32.0,0.7,here,
"""


def test_at_its_own_rows_a_plan_is_what_was_measured() -> None:
    same = benchmark.plan(SMALL, SMALL.rows)
    assert same.factory == "IVF4096,RaBitQ"
    assert same.train_s + same.encode_s == pytest.approx(SMALL.rows / INDEX.rows_per_cpu_s)
    assert same.disk_bytes == INDEX.disk_bytes
    assert same.build_bytes == SMALL.peak_bytes
    assert same.own_bytes == INDEX.own_bytes
    assert same.codes == 32 * 1_000_000 / 4096
    assert same.query_s == pytest.approx(1e-3 + 1e-8 * same.codes)


def test_a_plan_of_a_billion_rows() -> None:
    here, there = benchmark.plan(SMALL, 1_000_000), benchmark.plan(SMALL, 1_000_000_000)
    assert there.factory == "IVF131072_HNSW32,RaBitQ"
    # 32 times the lists, and as many times the sample
    assert there.train_s == pytest.approx(here.train_s * 32**2)
    assert there.encode_s == pytest.approx(here.encode_s * 1000)
    centroids = 4 * 512 * (131_072 - 4096)
    assert there.own_bytes == INDEX.own_bytes + centroids
    assert there.codes == 32 * 1_000_000_000 / 131_072


def test_the_cheapest_machines_and_the_sum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKY_RUNTIME_DIR", str(tmp_path))
    unknown = benchmark.cheapest_gpu("ViT-B-32", "any")
    assert unknown[2] is None
    cells = benchmark.column(SMALL, 100_000_000, unknown, 16)
    assert (cells["embed: dollars"], cells["index: dollars"], cells["all: dollars"]) == ("-",) * 3
    folder = tmp_path / ".sky/catalogs/v8/aws"
    folder.mkdir(parents=True)
    (folder / "vms.csv").write_text(LISTS)
    gpu = benchmark.cheapest_gpu("ViT-B-32", "any")
    assert gpu == ("L4", 1000.0, 0.7)
    assert benchmark.cheapest_machine(16, 30e9) == 0.5
    assert benchmark.cheapest_machine(16, 40e9) == 3.0
    assert benchmark.cheapest_machine(17, 30e9) is None

    cells = benchmark.column(SMALL, 100_000_000, gpu, 16)
    assert cells["embed: L4 hours, 1,000 images/s"] == "27.8"
    assert cells["embed: machines, to end in a day"] == "2"
    assert cells["embed: dollars"] == "$19.44"
    assert cells["store: thumbnails"] == "600 GB"
    assert cells["search: text recall@10"] == "measure"


def test_thumbnails_are_those_of_the_sample_images() -> None:
    assert 1000 < benchmark.thumbnail_bytes() < 50_000
