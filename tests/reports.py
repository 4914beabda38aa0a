"""Recall reports for tests, with made-up but realistic numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from clipvec.bootstrap import Interval
from clipvec.recall.results import (
    Build,
    Candidate,
    FilteredResult,
    Kind,
    LatencyResult,
    Parameters,
    RecallResult,
    Recommendation,
    Report,
    SearchSetting,
    SystemResult,
)

_HARDER = {"image": 1.0, "text": 2.6}
"""Exponent that turns the recall of image queries into that of text queries."""
_LOADS = ((1, 1, 1.0, 1.0), (64, 1, 1.7, 38.0), (1, 8, 1.9, 4.2))
"""Batch size, concurrency, gain in QPS, latency factor."""


def interval(value: float, half: float = 0.012) -> Interval:
    return Interval(value, max(0.0, value - half), min(1.0, value + half * 0.8))


def setting(
    parameters: Parameters, missed: float, qps: float, filters: bool = False
) -> SearchSetting:
    """A setting that misses a share of image neighbours, at a given QPS."""
    quality, speed, filtered = [], [], []
    kinds: tuple[Kind, ...] = ("image", "text")
    for kind in kinds:
        lost = 1 - (1 - missed) ** _HARDER[kind]
        by_k = {1: lost * 0.7, 10: lost, 100: 1 - (1 - lost) ** 1.4}
        quality.append(RecallResult(kind, {k: _recall(miss) for k, miss in by_k.items()}, 1000))
        for batch_size, concurrency, gain, slower in _LOADS:
            rate = qps * gain * (0.97 if kind == "text" else 1)
            p50 = 1000 / qps * slower
            rounds = (rate, rate * 0.95, rate * 1.04, 900)
            speed.append(
                LatencyResult(kind, batch_size, concurrency, *rounds, p50, p50 * 1.6, p50 * 2.9)
            )
        if filters:
            filtered += [
                searched(kind, words, share, _recall(1 - (1 - lost) ** worse), qps * slow)
                for words, share, worse, slow in (
                    ("stars < 1", 0.01, 3, 0.3),
                    ("stars < 2", 0.1, 1.8, 0.55),
                    ("category = bird", 0.5, 1.2, 0.9),
                )
            ]
    return SearchSetting(parameters, quality, speed, filtered)


def searched(kind: Kind, words: str, share: float, recall: Interval, qps: float) -> FilteredResult:
    return FilteredResult(kind, words, share, 10, 80, recall, qps, qps * 0.9, qps * 1.1)


def _recall(missed: float) -> Interval:
    return interval(1 - missed, 0.0 if missed == 0 else 0.004 + missed * 0.06)


def sweep(name: str, values: list[int], missed: float, qps: float) -> Iterator[SearchSetting]:
    """Settings that miss less and get slower with each value."""
    for step, value in enumerate(values):
        yield setting({name: value}, missed * 0.46**step, qps * 0.58**step, step == 2)


def systems() -> list[SystemResult]:
    def build(seconds: float, peak: int, a_vector: int) -> Build:
        return Build(50_000, seconds, peak, a_vector * 50_000)

    efs, probes = [16, 32, 64, 128, 256], [1, 4, 16, 64]
    chroma = SystemResult(
        "chroma",
        "chroma",
        "HNSW, max_neighbors=16, ef_construction=100, in a folder",
        Build(50_000, None, None, 2500 * 50_000),
        list(sweep("ef_search", [40, 100, 200], 0.07, 620)),
        measured="2026-03-03T12:00:00+00:00",
    )
    return [
        chroma,
        SystemResult(
            "flat", "faiss", "Flat", build(0.4, 310_000_000, 2048), [setting({}, 0, 68, True)]
        ),
        SystemResult(
            "hnsw32",
            "faiss",
            "HNSW32,Flat",
            build(21.4, 420_000_000, 2320),
            list(sweep("efSearch", efs, 0.13, 5400)),
        ),
        SystemResult(
            "ivf1024",
            "faiss",
            "IVF1024,Flat",
            build(9.1, 380_000_000, 2092),
            list(sweep("nprobe", probes, 0.4, 6800)),
        ),
        SystemResult(
            "ivf1024-pq64",
            "faiss",
            "IVF1024,PQ64,RFlat",
            build(31.7, 350_000_000, 2130),
            list(sweep("nprobe", probes, 0.44, 7300)),
        ),
        SystemResult(
            "opq64-ivf1024-pq64",
            "faiss",
            "OPQ64_256,IVF1024,PQ64",
            build(164.0, 512_000_000, 96),
            list(sweep("nprobe", probes, 0.62, 8200)),
        ),
        SystemResult(
            "hnsw32-sq8",
            "faiss",
            "HNSW32_SQ8",
            build(24.9, 190_000_000, 790),
            list(sweep("efSearch", efs, 0.15, 4700)),
        ),
        SystemResult(
            "ivf65536",
            "faiss",
            "IVF65536_HNSW32,Flat",
            skipped="50,000 rows are too few to train 65,536 lists (39 a list are wanted): "
            "choose fewer lists, as IVF1024",
        ),
    ]


def briefly(found: list[SystemResult]) -> list[SystemResult]:
    """The same systems with recall@10 alone and queries sent one at a time, in a third of plots."""
    return [
        replace(
            system,
            settings=[
                replace(
                    each,
                    recall=[replace(r, recall_at={10: r.recall_at[10]}) for r in each.recall],
                    latency=[m for m in each.latency if m.batch_size == m.concurrency == 1],
                )
                for each in system.settings
            ],
        )
        for system in found
    ]


def recommendation(kind: Kind = "text") -> Recommendation:
    if kind == "text":
        found = Candidate(
            "hnsw32", {"efSearch": 128}, interval(0.967), interval(0.961), 1022.0, 990.0, 1100.0
        )
    else:
        found = Candidate(
            "hnsw32", {"efSearch": 64}, interval(0.971), interval(0.974), 1817.0, 1700.0, 1820.0
        )
    ef = int(found.parameters["efSearch"])
    config = f"hnsw:\n  max_neighbors: 32\n  ef_search: {ef}\n"
    return Recommendation(0.95, 10, kind, found, None, config, num_settings=26)


def report(**changes: object) -> Report:
    """A report of a made-up run; ``changes`` replace its fields."""
    values: dict[str, object] = {
        "created": "2026-03-04T05:06:07+00:00",
        "store": "data/store/sample/sample",
        "dataset": "sample",
        "model": "sample",
        "rows": 50_000,
        "dim": 512,
        "synthetic": False,
        "fingerprint": {"model": {"name": "sample", "weights": "sha256:0123abcd"}, "dim": 512},
        "hardware": {"cpu": "Test CPU, 2 cores", "memory": "8 GB", "system": "Linux 6.1"},
        "versions": {"clipvec": "0.1.0", "faiss": "1.15.1", "chromadb": "1.5.9"},
        "seeds": {"queries": 0, "bootstrap": 1},
        "queries": {"text": 1000, "image": 1000},
        "query_source": {"text": "captions of held-out rows", "image": "held-out rows"},
        "systems": systems(),
        "recommendations": [recommendation("text"), recommendation("image")],
        "rows_digest": "d" * 64,
    }
    return Report(**(values | changes))  # type: ignore[arg-type]
