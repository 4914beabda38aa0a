"""What an evaluation found: the data of ``report.json``, and its schema.

Evaluation
├── about: seed, versions, hardware
├── ModelResult             one model, by its store
│   ├── RetrievalResult     from captions to images, or back
│   └── LabelResult         images classified by the values of an attribute
│       ├── MethodResult    by texts, by neighbours, or by a linear probe
│       └── ClassResult     one class
├── Comparison              two models on the same queries
├── Agreement               two models by what they find for images, or for texts
│   └── Disagreement        one query for which they find others
└── Deployment              a model, and exact search or an index: quality, speed and cost
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from clipvec.bootstrap import Difference, Interval, Share
from clipvec.web import report_files

Direction: TypeAlias = Literal["text_to_image", "image_to_text"]
"""Captions are searched with, or images."""
Method: TypeAlias = Literal["zero_shot", "nearest_neighbours", "linear_probe"]
"""Classified by texts, by the nearest other images, or by a linear classifier."""
AskedBy: TypeAlias = Literal["image", "text"]
"""Images of the store, each without itself among its answers, or texts of the user's."""
RECALL_AT = (1, 5, 10)
SCHEMA: Literal[3] = 3
"""Of ``report.json``: raised whenever an older clipvec would misread the file."""
Count = Annotated[int, Field(ge=0)]
Rank = Annotated[float, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_DOCUMENTED = ConfigDict(use_attribute_docstrings=True)
_BY_K = Field(json_schema_extra={"propertyNames": {"pattern": "^[1-9][0-9]*$"}})


@dataclass(frozen=True, config=_DOCUMENTED)
class MedianRank:
    """A median rank with its 95 % interval."""

    value: Rank
    """The median over queries of the rank of the first right answer, 1 for the best."""
    low: Rank
    """Lower end of the interval."""
    high: Rank
    """Upper end of the interval."""


@dataclass(frozen=True, config=_DOCUMENTED)
class RetrievalResult:
    """Retrieval in one direction."""

    direction: Direction
    """What is searched with, and what for."""
    queries: Count
    """Captions or images that were searched with."""
    candidates: Count
    """Images or captions among which the right ones were to be found."""
    recall_at: Annotated[dict[int, Interval], _BY_K]
    """recall@k by k: the share of the queries with a right answer among the first k."""
    median_rank: MedianRank
    """Of the first right answer."""
    chance: Annotated[dict[int, Share], _BY_K]
    """recall@k of answers in random order."""


@dataclass(frozen=True, config=_DOCUMENTED)
class Confusion:
    """Images of one class that were taken for another."""

    true: str
    """Their class."""
    predicted: str
    """What they were taken for."""
    images: Count
    """How many."""
    share: Share
    """Of the images of their class."""


@dataclass(frozen=True, config=_DOCUMENTED)
class MethodResult:
    """How well one method classifies."""

    method: Method
    """How images were classified."""
    accuracy: Interval
    """Share of the images that were classified right."""
    balanced_accuracy: Interval
    """Mean over the classes of that share."""
    confusions: list[Confusion]
    """The most frequent, most images first."""


@dataclass(frozen=True, config=_DOCUMENTED)
class ClassResult:
    """How well images of one class are classified."""

    name: str
    """Value of the attribute."""
    images: Count
    """Images that were classified."""
    accuracy: dict[Method, Interval]
    """Share of them that was classified right, by method; empty: there are none."""


@dataclass(frozen=True, config=_DOCUMENTED)
class LabelResult:
    """Classification by one attribute."""

    label: str
    """Name of the attribute."""
    labelled: Count
    """Images that have a class."""
    images: Count
    """Images that were classified."""
    largest_class: Share
    """Accuracy of calling all images the largest class."""
    templates: list[str]
    """Of the texts that stand for a class."""
    neighbours: Count
    """Nearest images that voted."""
    methods: list[MethodResult]
    """By method."""
    classes: list[ClassResult]
    """By class."""


@dataclass(frozen=True, config=_DOCUMENTED)
class ModelResult:
    """How good one model is."""

    model: str
    """Its name, or the location of its store where another has the same."""
    store: str
    """Path or URL of the store that it made."""
    dim: Count
    """Length of the vectors, D."""
    fingerprint: dict[str, Any]
    """What the store is known by."""
    retrieval: list[RetrievalResult]
    """By captions; empty: there are none."""
    labels: LabelResult | None
    """By classes; null: no attribute was named."""


@dataclass(frozen=True, config=_DOCUMENTED)
class Comparison:
    """How two models differ in one figure."""

    a: str
    """Name of one model."""
    b: str
    """Name of the other."""
    figure: Direction | Method
    """Recall from or to captions, or accuracy of a method."""
    k: Count | None
    """Of recall@k; null: accuracy."""
    difference: Difference
    """What b has more than a."""
    queries: Count
    """Captions or images that both were asked about."""
    more_queries: Count
    """How many more would show a difference of one point, with four chances in five."""


@dataclass(frozen=True, config=_DOCUMENTED)
class Disagreement:
    """A query for which two models find other images."""

    query: str
    """The id of an image, or a text."""
    overlap: Share
    """Share of its 10 nearest that both find."""
    a: list[str]
    """Ids of the nearest by one model, nearest first."""
    b: list[str]
    """Ids of the nearest by the other."""


@dataclass(frozen=True, config=_DOCUMENTED)
class Agreement:
    """How far two models find the same images."""

    a: str
    """Name of one model."""
    b: str
    """Name of the other."""
    by: AskedBy
    """What was searched with."""
    queries: Count
    """Images whose neighbours were compared, or texts whose answers were."""
    candidates: Count
    """Images among which those were searched."""
    overlap_at: Annotated[dict[int, Interval], _BY_K]
    """overlap@k by k: the share of the k nearest that both find."""
    chance: Annotated[dict[int, Share], _BY_K]
    """overlap@k of images in random order."""
    disagreements: list[Disagreement]
    """Queries of least overlap; empty: there are none, or neither model is the first."""


@dataclass(frozen=True, config=_DOCUMENTED)
class Deployment:
    """A model, and how its vectors are searched."""

    model: str
    """Its name, as in `ModelResult`."""
    precision: str
    """Of the encoder that made the store; empty: not recorded."""
    dim: Count
    """Length of the vectors, D."""
    index: str
    """``exact``, or the name of the index in the recall report."""
    parameters: dict[str, int | float]
    """Search parameters of the index."""
    quality: Interval | None
    """Of the model, by exact search: `Evaluation.quality_of`; null: there is no such figure."""
    recall: Interval | None
    """recall@k of the index against exact search, k as in ``recall_at``; null: exact."""
    recall_at: Count | None
    """k of ``recall``."""
    expected: Share | None
    """quality x recall: what is left of the quality if the index loses right answers as it loses
    others; null: there is no quality, or an index plays no part in it."""
    images_per_s: Positive | None
    """Of the machine that embedded most of the store; null: not recorded."""
    hardware: str
    """Of that machine."""
    qps: Positive | None
    """Queries a second, one at a time, as the recall report has them; null: there is none."""
    queries: Literal["text", "image"] | None
    """What the queries of ``recall`` and ``qps`` were; null: there are none."""
    bytes_per_row: Positive | None
    """Of the index on disk, or of the vectors where no exact index was measured; null: not known.
    """
    price: Positive | None
    """US dollars for embedding a million images; null: no price is known."""
    on_front: bool
    """Whether none is better in one of quality, price, speed and bytes, and no worse in others."""
    misses: list[str]
    """Limits that it does not meet, or of which it is not known whether it does."""


@dataclass(frozen=True, config=_DOCUMENTED)
class Evaluation:
    """Everything that a report shows."""

    created: str
    """UTC, ISO 8601."""
    dataset: str
    """Name of the dataset."""
    rows: Count
    """Rows of each store."""
    seed: int
    """Of the drawing and of the bootstrap."""
    models: list[ModelResult]
    """The models that were evaluated."""
    comparisons: list[Comparison]
    """Each two of them."""
    agreements: list[Agreement]
    """Each two of them, by what they find."""
    quality_of: str
    """The figure that models are chosen by; empty: there is none."""
    deployments: list[Deployment]
    """The models, each searched exactly and by the indexes that recall reports have."""
    limits: dict[str, Positive]
    """``max_price``, ``max_bytes_per_row`` and ``min_qps``, where they are given."""
    chosen: Count | None
    """Number of the deployment of the best quality within the limits; null: none is."""
    hardware: dict[str, str]
    """Of the machine that evaluated."""
    versions: dict[str, str]
    """Of clipvec, Python and packages."""
    schema_version: Literal[3] = SCHEMA
    """Version of this format."""

    @property
    def neighbours(self) -> int:
        """Nearest images that voted on a class; 0: there are no classes."""
        return next((each.labels.neighbours for each in self.models if each.labels), 0)


DATA = report_files.ReportFormat(Evaluation, SCHEMA, "an evaluation", "clipvec evaluate")
"""Its file."""
