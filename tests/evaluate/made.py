"""Evaluations for tests, with made-up numbers."""

from __future__ import annotations

from clipvec.bootstrap import Difference, Interval
from clipvec.evaluate.deployments import Known, choose, deployments
from clipvec.evaluate.results import (
    Agreement,
    Comparison,
    Confusion,
    Direction,
    Disagreement,
    Evaluation,
    LabelResult,
    MedianRank,
    Method,
    MethodResult,
    ModelResult,
    RetrievalResult,
)
from clipvec.recall import Report
from tests.reports import briefly, report, systems


def interval(value: float) -> Interval:
    return Interval(value, max(0.0, value - 0.02), min(1.0, value + 0.02))


def retrieval(direction: Direction, recall: float) -> RetrievalResult:
    at = {k: interval(recall * share) for k, share in ((1, 0.5), (5, 0.8), (10, 1.0))}
    rank = MedianRank(4.0, 3.0, 5.0)
    return RetrievalResult(direction, 500, 1000, at, rank, {k: k / 1000 for k in at})


def labels(accuracy: float) -> LabelResult:
    confusions = [Confusion("bird", "fish", 3, 0.1)]
    names: tuple[Method, ...] = ("zero_shot", "linear_probe")
    right = interval(accuracy)
    methods = [MethodResult(name, right, right, confusions) for name in names]
    return LabelResult("category", 900, 500, 0.4, ["a photo of a {}"], 10, methods, [])


def model(name: str, recall: float, dim: int = 512, precision: str = "fp16") -> ModelResult:
    fingerprint = {"dtype": "float16", "precision": precision}
    both = [retrieval("text_to_image", recall), retrieval("image_to_text", recall)]
    store = f"/data/store/photos/{name}"
    return ModelResult(name, store, dim, fingerprint, both, labels(recall))


def recall_report() -> Report:
    return report(systems=briefly(systems()))


def evaluation(
    *models: ModelResult, known: dict[str, Known] | None = None, **limits: float
) -> Evaluation:
    """An evaluation of some models, of which the first has a recall report."""
    every = list(models) or [model("small", 0.6), model("large <b>", 0.7, 1024)]
    names = [each.model for each in every]
    if known is None:
        known = {name: Known(100.0 / (n + 1), "T4", 2.0, None) for n, name in enumerate(names)}
        known[names[0]] = Known(400.0, "T4", 0.5, recall_report())
    deployed = deployments(every, known, limits)
    pair = names[0], names[-1]
    shown = Disagreement("img/1", 0.0, ["img/2", "img/3"], ["img/4", "img/3"])
    asked = Disagreement("a red <bird>", 0.2, ["img/5"], ["img/6", "img/5"])
    overlaps = {k: interval(0.5) for k in (1, 5, 10)}
    chances = {k: k / 999 for k in (1, 5, 10)}
    return Evaluation(
        created="2026-03-04T05:06:07+00:00",
        dataset="photos",
        rows=1000,
        seed=0,
        models=every,
        comparisons=[Comparison(*pair, "text_to_image", 1, Difference(0.1, 0.05, 0.15), 500, 0)],
        agreements=[
            Agreement(*pair, "image", 300, 999, overlaps, chances, [shown]),
            Agreement(*pair, "text", 40, 1000, overlaps, chances, [asked]),
        ],
        quality_of="caption \N{RIGHTWARDS ARROW} image recall@10",
        deployments=deployed,
        limits=limits,
        chosen=choose(deployed),
        hardware={"cpu": "Test CPU"},
        versions={"clipvec": "0.1.0"},
    )
