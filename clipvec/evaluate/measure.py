"""How good one model is, and query by query, so that it can be compared with another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clipvec.bootstrap import balanced_interval, confidence_interval, median_limits
from clipvec.errors import ConfigError
from clipvec.evaluate.agreement import answers, hashes_of, neighbours
from clipvec.evaluate.captions import retrieval
from clipvec.evaluate.classify import linear_probe, nearest_neighbours, zero_shot
from clipvec.evaluate.labels import read_labels
from clipvec.evaluate.results import (
    RECALL_AT,
    ClassResult,
    Confusion,
    LabelResult,
    MedianRank,
    MethodResult,
    ModelResult,
    RetrievalResult,
)
from clipvec.model import encode_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipvec.config import EvaluateConfig, PromptsConfig
    from clipvec.evaluate.agreement import Answers
    from clipvec.evaluate.captions import Retrieval
    from clipvec.evaluate.labels import Labels
    from clipvec.evaluate.results import AskedBy, Direction, Method
    from clipvec.store import Rows

_CONFUSIONS = 10
"""Of each method, at most."""


@dataclass(frozen=True)
class Measured:
    """One model's figures, and the values that they are means of."""

    result: ModelResult
    retrieval: dict[Direction, Retrieval]
    right: dict[Method, np.ndarray]
    """bool [Q]: whether each image was classified right."""
    answers: dict[AskedBy, Answers]
    """What it finds, to compare with what others find; of what is not compared there is none."""


def measure(
    config: EvaluateConfig,
    rows: Rows,
    name: str,
    captions: Sequence[str],
    queries: Sequence[str],
) -> Measured:
    """Return how good the model of a store is.

    Args:
        config: what to measure.
        rows: of the store.
        name: of the model in the report.
        captions: different captions of the store to search with; none: no search.
        queries: texts whose answers are compared with those by other models.

    Raises:
        ConfigError: the attribute that is named has no classes, or `prompts` does not fit them.
        FingerprintError: the model that loads is not the store's.
    """
    labels = None
    if config.label is not None:
        labels = read_labels(rows, config.label, config.images, config.seed)
    prompts = texts_of(config.prompts, labels.classes) if labels else []
    of_classes = [text for each in prompts for text in each]
    wanted = [*captions, *of_classes, *queries]
    texts = encode_texts(rows.store, wanted) if wanted else np.empty((0, rows.dim), np.float32)
    found: dict[Direction, Retrieval] = {}
    if captions:
        own = texts[: len(captions)]
        found = retrieval(rows, captions, own, config.captions, config.seed)
    right: dict[Method, np.ndarray] = {}
    by_label = None
    if labels is not None:
        standing = texts[len(captions) :][: len(of_classes)]
        standing = standing.reshape(len(prompts), -1, texts.shape[1])
        predicted = _classify(rows, labels, standing, config.neighbours)
        right = {method: classes == labels.of_drawn for method, classes in predicted.items()}
        by_label = _by_label(config, labels, predicted)
    result = ModelResult(
        model=name,
        store=rows.store.url,
        dim=rows.dim,
        fingerprint=rows.store.fingerprint.to_json(),
        retrieval=[_retrieval(*pair, config.seed) for pair in found.items()],
        labels=by_label,
    )
    own = texts[len(captions) + len(of_classes) :]
    return Measured(result, found, right, _compared(config, rows, queries, own))


def _compared(
    config: EvaluateConfig, rows: Rows, queries: Sequence[str], vectors: np.ndarray
) -> dict[AskedBy, Answers]:
    """Return what a model finds for images and for texts, to compare with what others find."""
    count = config.agreement if config.others else 0
    found: dict[AskedBy, Answers] = {}
    if count or queries:
        hashes = hashes_of(rows, config.seed)
        if count:
            found["image"] = neighbours(rows, count, hashes)
        if queries:
            found["text"] = answers(rows, queries, vectors, hashes)
    return found


def texts_of(config: PromptsConfig, classes: Sequence[str]) -> list[list[str]]:
    """Return the texts that stand for each class.

    Raises:
        ConfigError: a class is named that there is not, or two have the same texts.
    """
    if unknown := sorted(set(config.names) - set(classes)):
        raise ConfigError(
            f"prompts.names: {unknown[0]!r} is no class; there are {len(classes):,}, such as "
            f"{', '.join(map(repr, classes[:3]))}"
        )
    of_texts: dict[tuple[str, ...], str] = {}
    for name in classes:
        texts = tuple(config.of(name))
        if (other := of_texts.setdefault(texts, name)) != name:
            raise ConfigError(
                f"the classes {other!r} and {name!r} have the same texts, such as {texts[0]!r}; "
                "give one another name with prompts.names"
            )
    return [list(texts) for texts in of_texts]


def _retrieval(direction: Direction, found: Retrieval, seed: int) -> RetrievalResult:
    ranks = found.ranks.expected
    low, high = median_limits(ranks, seed)
    return RetrievalResult(
        direction=direction,
        queries=len(ranks),
        candidates=found.candidates,
        recall_at={k: confidence_interval(found.ranks.recall_at(k), seed) for k in RECALL_AT},
        median_rank=MedianRank(float(np.median(ranks)), low, high),
        chance={k: found.chance(k) for k in RECALL_AT},
    )


def _classify(
    rows: Rows, labels: Labels, texts: np.ndarray, neighbours: int
) -> dict[Method, np.ndarray]:
    """Return the predicted classes of the rows that were drawn, int64 [Q], by method."""
    images, count = labels.vectors(rows), len(labels.classes)
    return {
        "zero_shot": zero_shot(images, texts),
        "nearest_neighbours": nearest_neighbours(rows, labels, images, neighbours),
        "linear_probe": linear_probe(images, labels.of_drawn, count),
    }


def _by_label(
    config: EvaluateConfig, labels: Labels, predicted: dict[Method, np.ndarray]
) -> LabelResult:
    true, seed = labels.of_drawn, config.seed
    counts = np.bincount(true, minlength=len(labels.classes))
    assert config.label is not None
    return LabelResult(
        label=config.label,
        labelled=labels.count,
        images=len(true),
        largest_class=float(counts.max() / len(true)),
        templates=config.prompts.templates,
        neighbours=config.neighbours,
        methods=[
            MethodResult(
                method=method,
                accuracy=confidence_interval((classes == true).astype(float), seed),
                balanced_accuracy=balanced_interval(classes == true, true, seed),
                confusions=_confusions(true, classes, labels.classes, counts),
            )
            for method, classes in predicted.items()
        ],
        classes=[
            ClassResult(
                name=name,
                images=int(counts[number]),
                accuracy={
                    method: confidence_interval((classes[own] == number).astype(float), seed)
                    for method, classes in predicted.items()
                    if len(own)
                },
            )
            for number, name in enumerate(labels.classes)
            for own in [np.flatnonzero(true == number)]
        ],
    )


def _confusions(
    true: np.ndarray, predicted: np.ndarray, names: Sequence[str], counts: np.ndarray
) -> list[Confusion]:
    """Return the pairs of classes that are confused most often."""
    wrong = true != predicted
    pairs, images = np.unique(np.stack([true[wrong], predicted[wrong]]), axis=1, return_counts=True)
    order = np.argsort(-images, kind="stable")[:_CONFUSIONS]
    return [
        Confusion(names[a], names[b], int(images[at]), float(images[at] / counts[a]))
        for at in order
        for a, b in [pairs[:, at]]
    ]
