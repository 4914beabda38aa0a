from __future__ import annotations

import faiss
import numpy as np
import pytest

from clipvec.config import FaissSystemConfig
from clipvec.errors import ConfigError
from clipvec.index import num_lists
from clipvec.recall.systems import factory, memory


def system(string: str, **more: object) -> FaissSystemConfig:
    return FaissSystemConfig(kind="faiss", factory=string, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows", "lists"),
    [(1, 1), (60, 1), (2000, 32), (50_000, 1024), (1_000_000, 4096), (10_000_000, 16_384)],
)
def test_lists_follow_the_guide(rows: int, lists: int) -> None:
    assert num_lists(rows) == lists


@pytest.mark.parametrize(
    ("dim", "m"), [(512, 64), (768, 96), (640, 80), (1152, 144), (100, 10), (4, 1), (7, 1)]
)
def test_a_byte_of_code_for_eight_numbers(dim: int, m: int) -> None:
    assert factory.code_bytes(dim) == m
    assert dim % m == 0


def test_placeholders() -> None:
    assert factory.fill("OPQ{m},IVF{nlist},PQ{m}", 50_000, 512) == "OPQ64,IVF1024,PQ64"


@pytest.mark.parametrize(
    ("given", "stray"),
    [
        ("IVF{x},Flat", "{x}"),
        ("IVF{nlist,Flat", "{"),
        ("IVF{nlist.a},Flat", "{nlist.a}"),
        ("IVF{},Flat", "{}"),
        ("IVF8},Flat", "}"),
    ],
)
def test_other_placeholders_are_named(given: str, stray: str) -> None:
    with pytest.raises(ConfigError) as caught:
        factory.fill(given, 50_000, 512)
    assert str(caught.value) == (
        f"factory {given!r}: {stray} is not known; placeholders are {{nlist}} and {{m}}"
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            system("Bogus"),
            r"^factory 'Bogus' with D = 64: FAISS says: could not parse index st",
        ),
        (system("PQ7"), r"FAISS says: The dimension of the vector \(d\) should be a multiple"),
        (system("LSH"), r"FAISS says: it knows Euclidean distances alone, not inner products$"),
        (
            system("Flat", sweep={"nprobe": [1]}),
            r"nprobe=1 for IndexFlat.*: FAISS says: could not set parameter nprobe$",
        ),
        (system("HNSW8", build={"efC": 1}), r"efC=1 for IndexHNSWFlat: FAISS says: could not"),
    ],
)
def test_what_faiss_refuses(given: FaissSystemConfig, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        factory.empty_index(given, 1000, 64)
    assert "\n" not in str(caught.value)
    assert not any(code in str(caught.value) for code in (".cpp", "::", "failed", "!(", "METRIC"))


def test_build_parameters_reach_the_index() -> None:
    given = system("HNSW8", build={"efConstruction": 77}, sweep={"efSearch": [5, 9]})
    assert factory.empty_index(given, 1000, 64).hnsw.efConstruction == 77


def test_rows_to_train_with() -> None:
    def wanted(given: FaissSystemConfig) -> int:
        return factory.train_rows(given, factory.empty_index(given, 1_000_000, 64))

    assert wanted(system("HNSW32")) == 0
    assert wanted(system("IVF{nlist},Flat")) == 40 * 4096
    assert wanted(system("OPQ8,IVF{nlist},PQ8,RFlat")) == 40 * 4096
    assert wanted(system("PQ8")) == 10_240
    assert wanted(system("PQ8", train_rows=500)) == 500


def test_quantisers_learn_from_fewer_rows() -> None:
    given = system("OPQ8,IVF4,PQ8,RFlat", code_rows=512)
    whole = factory.empty_index(given, 1000, 64)
    index = faiss.downcast_index(whole.base_index)
    assert faiss.downcast_VectorTransform(index.chain.at(0)).max_train_points == 512
    assert faiss.downcast_index(index.index).pq.cp.max_points_per_centroid == 2


@pytest.mark.parametrize(
    ("string", "expected"),
    [
        ("Flat", 4 * 64),
        ("HNSW32", 4 * 64 + 8 * 32 + 20),
        ("HNSW32_SQ8", 64 + 8 * 32 + 20),
        ("IVF16,Flat", 4 * 64 + 8),
        ("IVF16,PQ8", 8 + 8),
        ("OPQ8,IVF16,PQ8", 8 + 8),
        ("IVF16,PQ8,RFlat", 8 + 8 + 4 * 64),
        ("IVF16,SQ8", 64 + 8),
        ("PQ8x4", 4),
    ],
)
def test_bytes_of_a_row(string: str, expected: int) -> None:
    index = factory.empty_index(system(string), 1000, 64)
    assert memory.row_bytes(index) == expected


@pytest.mark.parametrize("string", ["Flat", "HNSW32", "IVF16,SQ8", "IVF16,PQ8np,RFlat"])
def test_bytes_of_a_row_are_those_on_disk(string: str) -> None:
    """Except for the upper levels of a graph, and parts that do not grow with the rows."""
    vectors = np.random.default_rng(0).normal(size=(6000, 64)).astype(np.float32)
    index = factory.empty_index(system(string, code_rows=512), 6000, 64)
    index.train(vectors[:1000])
    index.add(vectors[:2000])
    small = len(faiss.serialize_index(index))
    index.add(vectors[2000:])
    grown = (len(faiss.serialize_index(index)) - small) / 4000
    assert grown == pytest.approx(memory.row_bytes(index), rel=0.03)


def test_too_little_memory_is_refused_with_both_numbers() -> None:
    memory.check(1, "Flat")
    index = factory.empty_index(system("Flat"), 10**9, 512)
    need = memory.estimate_bytes(index, 10**9, 0)
    assert need == pytest.approx(1.5 * 2.048e12, rel=0.01)
    with pytest.raises(
        ConfigError, match=r"Flat would take about 3072\.\d GB of memory, \d+\.\d GB"
    ):
        memory.check(need, "Flat")


def test_a_graph_over_the_lists_searches_as_wide_as_they_are_probed() -> None:
    """With FAISS's own efSearch of 16 it would find fewer lists than are to be probed."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((10_000, 16), np.float32)
    index = factory.empty_index(system("IVF256_HNSW32,Flat"), len(rows), 16)
    index.train(rows)
    index.add(rows)
    parameters = factory.with_quantizer_ef(index, {"nprobe": 128})
    assert parameters == {"quantizer_efSearch": 256, "nprobe": 128}
    for name, value in parameters.items():
        factory.set_parameter(index, name, value)
    graph = faiss.downcast_index(faiss.extract_index_ivf(index).quantizer)
    exact = faiss.downcast_index(graph.storage).search(rows[:50], 128)[1]
    probed = graph.search(rows[:50], 128)[1]
    shares = [
        len(set(a) & set(b)) / 128 for a, b in zip(exact.tolist(), probed.tolist(), strict=True)
    ]
    assert np.mean(shares) > 0.99
    assert factory.with_quantizer_ef(index, {"nprobe": 2, "quantizer_efSearch": 9}) == {
        "nprobe": 2,
        "quantizer_efSearch": 9,
    }
    plain = factory.empty_index(system("IVF256,Flat"), len(rows), 16)
    assert factory.with_quantizer_ef(plain, {"nprobe": 128}) == {"nprobe": 128}
