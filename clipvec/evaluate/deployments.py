"""What each model costs, beside its quality: from what stores and recall reports keep."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clipvec import jobs, paths
from clipvec.config import EVERY_MODEL
from clipvec.errors import ConfigError, SchemaError
from clipvec.evaluate.results import Deployment
from clipvec.recall import curves
from clipvec.recall import report as recall_report
from clipvec.store import Store, embedded_by_hardware

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from clipvec.bootstrap import Interval
    from clipvec.config import EvaluateConfig
    from clipvec.evaluate.results import ModelResult
    from clipvec.recall import Report
    from clipvec.store import Rows

log = logging.getLogger(__name__)
EXACT = "exact"
_QUALITY_AT = 10
"""k of the recall@k by which models are chosen."""


@dataclass(frozen=True)
class Known:
    """What is known of a store before its model is evaluated."""

    images_per_s: float | None
    hardware: str
    price: float | None
    """US dollars for embedding a million images."""
    report: Report | None
    """The newest of clipvec recall."""


def known_of(config: EvaluateConfig, stores: Mapping[str, Rows]) -> dict[str, Known]:
    """Return what is known of stores, by the names of their models.

    Raises:
        ConfigError: ``price_per_hour`` names a model that has no store of the dataset, or the
            folder of recall reports is not there.
    """
    given = config.price_per_hour or {}
    for name in sorted(given.keys() - stores.keys() - {EVERY_MODEL}):
        # one price list serves a sweep of several models
        if not _has_store(config, name):
            raise ConfigError(
                f"price_per_hour: {name!r} is no model of this evaluation; there are "
                f"{', '.join(stores)}"
            )
    reports = list(_reports(config.recall_reports))
    found = {}
    for name, rows in stores.items():
        rate, hardware = _speed(rows)
        price = given.get(name) or given.get(EVERY_MODEL)
        if rate is None and price is not None:
            log.warning(
                "%s: its price is not known, since %s does not record how fast it was embedded",
                name,
                rows.store.url,
            )
        if rate is not None and price is None:
            price = jobs.price_per_hour(rows.store, hardware, paths.SWEEPS)
        per_million = price / 3600 / rate * 1e6 if price and rate else None
        found[name] = Known(rate, hardware, per_million, _newest(reports, rows))
    return found


def _has_store(config: EvaluateConfig, model: str) -> bool:
    return bool(Store.find(paths.store_dir(config.store.root, config.dataset.name, model)))


def _speed(rows: Rows) -> tuple[float | None, str]:
    """Return images/s on the hardware that embedded most of a store, and its name."""
    markers = rows.store.committed().values()
    totals = embedded_by_hardware((e.hardware, e.embedded, e.seconds) for e in markers)
    if not totals:
        return None, ""
    # without a name, it may be the sum of several
    name = max([name for name in totals if name] or totals, key=lambda name: totals[name][0])
    images, seconds = totals[name]
    return images / seconds, name


def _reports(folder: str | None) -> Iterator[Report]:
    """Yield the recall reports in a folder; one that cannot be read is logged and passed over."""
    if folder and Path(folder) != paths.REPORTS and not Path(folder).is_dir():
        raise ConfigError(
            f"recall_reports: {folder!r} is no folder; give that of clipvec recall's reports, or "
            "null for none"
        )
    for file in sorted(Path(folder).glob("*/report.json")) if folder else ():
        try:
            yield recall_report.read(file)
        except (ConfigError, SchemaError) as error:
            log.warning("passed over: %s", error)


def _newest(reports: Sequence[Report], rows: Rows) -> Report | None:
    """Return the newest report of a store as it is now."""
    now = rows.store.fingerprint.to_json(), rows.digest
    own = [each for each in reports if (each.fingerprint, each.rows_digest) == now]
    return max(own, key=lambda each: each.created, default=None)


def quality(result: ModelResult) -> tuple[str, Interval | None]:
    """Return the figure that models are chosen by: of captions, or else of labels; and its name."""
    for found in result.retrieval:
        if found.direction == "text_to_image":
            return f"caption \N{RIGHTWARDS ARROW} image recall@{_QUALITY_AT}", found.recall_at[
                _QUALITY_AT
            ]
    for each in result.labels.methods if result.labels else ():
        if each.method == "zero_shot":
            return "zero-shot accuracy", each.accuracy
    return "", None


def deployments(
    results: Sequence[ModelResult], known: Mapping[str, Known], limits: Mapping[str, float]
) -> list[Deployment]:
    """Return each model with exact search and with the indexes of its recall report."""
    found = [each for result in results for each in _of_model(result, known[result.model])]
    alike = same_hardware(found)
    compared = found if alike else [replace(each, images_per_s=None) for each in found]
    return [
        replace(
            each,
            on_front=own.expected is not None and not any(_beats(one, own) for one in compared),
            misses=[name for name, limit in limits.items() if not _meets(each, name, limit)],
        )
        for each, own in zip(found, compared, strict=True)
    ]


def same_hardware(found: Sequence[Deployment]) -> bool:
    """Return whether one kind of machine embedded all stores whose images/s are known."""
    return len({each.hardware for each in found if each.images_per_s}) < 2


def choose(found: Sequence[Deployment]) -> int | None:
    """Return the number of the best within the limits, of equals the cheapest; None: none is."""
    fitting = [
        number for number, each in enumerate(found) if not each.misses and each.expected is not None
    ]
    return max(fitting, key=lambda number: _merits(found[number]), default=None)


def _of_model(result: ModelResult, known: Known) -> Iterator[Deployment]:
    best = quality(result)[1]
    made = result.fingerprint
    exact = Deployment(
        model=result.model,
        precision=str(made["precision"]),
        dim=result.dim,
        index=EXACT,
        parameters={},
        quality=best,
        recall=None,
        recall_at=None,
        expected=best.value if best else None,
        images_per_s=known.images_per_s,
        hardware=known.hardware,
        qps=None,
        queries=None,
        bytes_per_row=float(result.dim * np.dtype(made["dtype"]).itemsize),
        price=known.price,
        on_front=False,
        misses=[],
    )
    captions = any(found.direction == "text_to_image" for found in result.retrieval)
    indexes = list(_indexes(exact, known.report, captions)) if known.report else []
    for each in indexes:
        if each.index == EXACT:
            exact = each
    yield exact
    yield from (each for each in indexes if each.index != EXACT)


def _indexes(exact: Deployment, report: Report, captions: bool) -> Iterator[Deployment]:
    """Yield each index of a recall report, at its fastest setting that meets the report's target,
    or else at that of its best recall; FAISS's flat one is exact search.

    By text queries, or by images where the report has no others. An index costs quality only where
    this is of captions: to classify by texts, none is searched.
    """
    (run,) = curves.label([report])
    for curve in curves.curves([run]):
        asked = (curves.shown(curve, kind, run.target, curves.SINGLE) for kind in curves.KINDS)
        point = next((each for each in asked if each), None)
        if point is None:
            continue
        build = curve.system.build
        size = build.bytes_per_vector if build else None
        found = replace(exact, qps=point.latency.qps, queries=point.latency.kind)
        if curve.system.factory == "Flat":
            yield replace(found, bytes_per_row=size or exact.bytes_per_row)
            continue
        yield replace(
            found,
            index=curve.system.name,
            parameters=dict(point.setting.parameters),
            recall=point.recall,
            recall_at=run.target.k,
            expected=exact.expected * point.recall.value
            if exact.expected is not None and captions
            else None,
            bytes_per_row=size,
        )


def _merits(each: Deployment) -> tuple[float, ...]:
    """Return what is better the greater it is; what is not known counts as worst."""
    worst = -np.inf
    return (
        worst if each.expected is None else each.expected,
        worst if each.price is None else -each.price,
        worst if each.images_per_s is None else each.images_per_s,
        worst if each.qps is None else each.qps,
        worst if each.bytes_per_row is None else -each.bytes_per_row,
    )


def _beats(a: Deployment, b: Deployment) -> bool:
    """Return whether one is better than another in something, and worse in nothing."""
    pairs = list(zip(_merits(a), _merits(b), strict=True))
    return any(x > y for x, y in pairs) and all(x >= y for x, y in pairs)


def _meets(each: Deployment, name: str, limit: float) -> bool:
    """Return whether a deployment is known to meet a limit."""
    if name == "min_qps":
        return each.qps is not None and each.qps >= limit
    value = each.price if name == "max_price" else each.bytes_per_row
    return value is not None and value <= limit
