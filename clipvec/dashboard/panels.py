"""What a dashboard shows of each kind of run: the same panels in wandb and on the local page.

Keys are those that the rooms log; tests/tracking/test_panels.py compares them with real runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from clipvec.projection import MAP


@dataclass(frozen=True)
class Number:
    """One number of a run's summary; a dot in its key leads into a part of it."""

    title: str
    key: str


@dataclass(frozen=True)
class Word:
    """A word of a run's summary; in wandb a column of its runs."""

    title: str
    key: str


@dataclass(frozen=True)
class Curves:
    """Values over a run's steps."""

    title: str
    keys: tuple[str, ...]
    """Metrics; one that ends in ``/`` stands for all whose names begin with it."""
    unit: str
    """What the y axis counts."""
    stacked: bool = False
    """The metrics are parts of a whole."""


@dataclass(frozen=True)
class Table:
    """A table as a run has it."""

    title: str
    key: str


@dataclass(frozen=True)
class Chart:
    """A chart of several lines as a run has it."""

    title: str
    key: str
    x: str
    """What its x axis is."""


@dataclass(frozen=True)
class Page:
    """An HTML page as a run has it."""

    title: str
    key: str


Panel: TypeAlias = Number | Word | Curves | Table | Chart | Page


@dataclass(frozen=True)
class Section:
    """Panels of one kind of run."""

    title: str
    job_type: str
    panels: tuple[Panel, ...]
    step: str = ""
    """What the steps of such runs count."""

    @property
    def words(self) -> tuple[Word, ...]:
        """The words among its panels."""
        return tuple(panel for panel in self.panels if isinstance(panel, Word))

    @property
    def drawn(self) -> tuple[Panel, ...]:
        """The other panels."""
        return tuple(panel for panel in self.panels if not isinstance(panel, Word))


SECTIONS = (
    Section(
        "Sweep",
        "sweep",
        (
            Number("Shards committed", "sweep/committed"),
            Number("Shards wanted", "sweep/wanted"),
            Number("Images", "sweep/images"),
            Number("Jobs failed", "sweep/jobs/failed"),
            Number("Recoveries", "sweep/recoveries"),
            Number("Node-hours", "sweep/node_hours"),
            Number("Cost, USD", "sweep/cost_usd"),
            Curves("Shards committed", ("sweep/committed",), "shards"),
            Curves("Images", ("sweep/images",), "images"),
            Curves("Images per second, all jobs", ("sweep/images_per_s",), "images/s"),
            Curves("Jobs by state", ("sweep/jobs/",), "jobs", stacked=True),
            Curves("Node-hours", ("sweep/node_hours",), "hours"),
            Table("Jobs", "jobs"),
        ),
        step="seconds",
    ),
    Section(
        "Embedding",
        "embed",
        (
            Curves("Images per second of a job", ("images_per_s",), "images/s"),
            Curves("Where the time goes", ("share/",), "share of the time", stacked=True),
            Curves("Rejected images by reason", ("rejects/",), "images"),
            Curves("Batch fill", ("batch_fill",), "share of a batch"),
            Curves("Bytes read", ("bytes_read",), "bytes"),
            Curves("Processor cores in use", ("cpu_cores",), "cores"),
            Curves("GPU in use", ("system/gpu.0.gpu",), "%"),
            Table("Sample images", "sample_images"),
        ),
        step="images",
    ),
    Section(
        "Index",
        "index",
        (
            Number("Rows", "rows"),
            Number("Rows per second", "rows_per_s"),
            Word("Verified", "verified"),
            Curves("Rows per second", ("rows_per_s",), "rows/s"),
            Curves("Memory", ("memory_bytes",), "bytes"),
            Page("Map of the images", MAP),
        ),
        step="rows",
    ),
    Section(
        "Recall",
        "recall",
        (
            Word("Advised for texts", "advice/text/all.index"),
            Number("Recall, texts", "advice/text/all.recall"),
            Number("Queries per second, texts", "advice/text/all.qps"),
            Word("Advised for images", "advice/image/all.index"),
            Number("Recall, images", "advice/image/all.recall"),
            Number("Queries per second, images", "advice/image/all.qps"),
            *(
                Chart(f"Queries per second by recall@{k}, {kind}s", f"pareto/{kind}@{k}", "recall")
                for kind in ("text", "image")
                for k in (1, 10, 100)
            ),
            Table("All settings", "settings"),
            Table("Builds", "builds"),
            Table("Filtered search", "filtered"),
        ),
    ),
)
