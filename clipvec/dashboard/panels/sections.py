"""The panels of each kind of run.

Their keys are those that the commands log; tests/dashboard/test_panels.py compares them with real
runs.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import entry_points

from clipvec.dashboard.panels.base import Section
from clipvec.dashboard.panels.chart import Chart
from clipvec.dashboard.panels.curves import Curves
from clipvec.dashboard.panels.html_page import HtmlPage
from clipvec.dashboard.panels.table import Table
from clipvec.dashboard.panels.value import Number, Text
from clipvec.errors import ConfigError
from clipvec.projection import PROJECTION_KEY

GROUP = "clipvec.panels"
"""Entry points of other packages: ``<name> = "<module>:<section>"``."""

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
            Text("Verified", "verified"),
            Curves("Rows per second", ("rows_per_s",), "rows/s"),
            Curves("Memory", ("memory_bytes",), "bytes"),
            HtmlPage("Projection of the images", PROJECTION_KEY),
        ),
        step="rows",
    ),
    Section(
        "Recall",
        "recall",
        (
            Text("Recommended for texts", "recommendation/text/all.index"),
            Number("Recall, texts", "recommendation/text/all.recall"),
            Number("QPS, texts", "recommendation/text/all.qps"),
            Text("Recommended for images", "recommendation/image/all.index"),
            Number("Recall, images", "recommendation/image/all.recall"),
            Number("QPS, images", "recommendation/image/all.qps"),
            *(
                Chart(f"QPS by recall@{k}, {kind}s", f"pareto/{kind}@{k}", "recall")
                for kind in ("text", "image")
                for k in (1, 10, 100)
            ),
            Table("All settings", "settings"),
            Table("Builds", "builds"),
            Table("Filtered search", "filtered"),
        ),
    ),
    Section(
        "Evaluation",
        "evaluate",
        (
            Text("Advice", "advice"),
            Number("Recall@10, captions to images", "retrieval/text_to_image.recall@10"),
            Number("Recall@10, images to captions", "retrieval/image_to_text.recall@10"),
            Number("Zero-shot accuracy", "labels/zero_shot.accuracy"),
            Number("Accuracy of the linear probe", "labels/linear_probe.accuracy"),
            Chart("QPS by quality", "pareto/quality", "quality"),
            Table("Quality, speed and cost", "deployments"),
            Table("Comparisons", "comparisons"),
            Table("Overlap of what models find", "agreements"),
        ),
    ),
)


def all_sections() -> tuple[Section, ...]:
    """Return all sections; panels of other packages join a section of the same title.

    Raises:
        ConfigError: the package that offers a section cannot be imported.
    """
    sections = {section.title: section for section in SECTIONS}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            more: Section = point.load()
        except Exception as error:  # importing another package may raise anything
            package = point.dist.name if point.dist else point.value
            raise ConfigError(
                f"panels {point.name}, of {package}, cannot be imported: {error!r}"
            ) from error
        known = sections.get(more.title)
        sections[more.title] = replace(known, panels=known.panels + more.panels) if known else more
    return tuple(sections.values())
