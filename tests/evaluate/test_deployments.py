"""Quality beside speed and cost: what stores and reports keep, the Pareto front, the choice."""

from __future__ import annotations

import itertools
import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clipvec import config, jobs, paths
from clipvec.config import EvaluateConfig
from clipvec.errors import ConfigError
from clipvec.evaluate import deployments as module
from clipvec.evaluate.deployments import EXACT, Known, choose, deployments, known_of
from clipvec.evaluate.report import sentences
from clipvec.evaluate.results import Deployment
from clipvec.recall import report as recall_reports
from clipvec.recall.results import DATA
from clipvec.store import Rows
from tests.evaluate.made import evaluation, interval, model, recall_report
from tests.stores import edit_sealed, make_store, write_shard


def asked(*overrides: str) -> EvaluateConfig:
    return config.read_command("evaluate", ["model=sample", *overrides], EvaluateConfig)


def embedded(root: Path, *runs: tuple[int, float, str]) -> Rows:
    """Return the rows of a store whose shards took some runs: images, seconds, hardware."""
    store = make_store(root, {}, count=len(runs))
    for shard, (images, seconds, hardware) in enumerate(runs):
        write_shard(store, shard, [4])
        done = Path(store.url) / paths.ShardPaths(shard).done
        edit_sealed(done, timings={"embedded": images, "seconds": seconds, "hardware": hardware})
    return Rows.open(store.url)


def test_images_a_second_are_those_of_the_hardware_that_embedded_most(tmp_path: Path) -> None:
    runs = ((300, 2.0, "L4"), (100, 50.0, "T4"), (500, 6.0, "L4"))
    rows = embedded(tmp_path, *runs)
    (found,) = known_of(asked("recall_reports=null", "price_per_hour=3"), {"toy": rows}).values()
    assert (found.images_per_s, found.hardware) == (100.0, "L4")
    assert found.price == pytest.approx(3 / 3600 * 1e6 / 100, rel=1e-12)
    assert found.report is None


def test_vectors_that_were_taken_over_make_nothing_faster(tmp_path: Path) -> None:
    store = make_store(tmp_path, {}, count=2)
    store.writer(0).commit({"images": 1000, "embedded": 10, "seconds": 5.0, "hardware": "L4"})
    store.writer(1).commit({"images": 1000, "embedded": 0, "seconds": 5.0, "hardware": "T4"})
    (found,) = known_of(asked("recall_reports=null"), {"toy": Rows.open(store.url)}).values()
    assert (found.images_per_s, found.hardware) == (2.0, "L4")


def test_prices_by_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = embedded(tmp_path, (360, 1.0, "L4"))
    stores = {"toy": rows, "other": rows}
    of_sweep = {"L4": 9.0}  # in the cloud
    monkeypatch.setattr(jobs, "price_per_hour", lambda store, hardware, root: of_sweep[hardware])
    found = known_of(asked("recall_reports=null", "price_per_hour={toy: 0.36}"), stores)
    assert found["toy"].price == pytest.approx(0.36 / 3600 * 1e6 / 360)
    assert found["other"].price == pytest.approx(9 / 3600 * 1e6 / 360)
    with pytest.raises(ConfigError, match="'nobody' is no model of this evaluation; there are toy"):
        known_of(asked("price_per_hour={nobody: 1}"), stores)
    make_store(tmp_path, {0: [4]})
    listed = asked("price_per_hour={toy: 1}", f"store.root={tmp_path}", "dataset.name=toys")
    assert known_of(listed, {"other": rows}).keys() == {"other"}  # toy is a model of the dataset


def test_a_price_without_a_rate_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_store(tmp_path, {0: [4]})
    rows = Rows.open(f"{tmp_path}/toys/toy")
    known_of(asked("recall_reports=null", "price_per_hour=1"), {"toy": rows})
    (said,) = caplog.messages
    assert said.startswith(f"toy: its price is not known, since {rows.store.url} does not record")


@pytest.mark.parametrize("name", ["price_per_hour", "max_price", "max_bytes_per_row", "min_qps"])
@pytest.mark.parametrize("value", [".inf", ".nan", "true", "0"])
def test_limits_and_prices_are_numbers(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        asked(f"{name}={value}")


def test_a_folder_of_reports_that_is_not_there(tmp_path: Path) -> None:
    rows = embedded(tmp_path, (4, 1.0, ""))
    with pytest.raises(ConfigError, match=r"recall_reports: '.*/none' is no folder; give"):
        known_of(asked(f"recall_reports={tmp_path}/none"), {"toy": rows})


def test_the_newest_report_of_the_store_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = embedded(tmp_path / "store", (4, 1.0, ""))
    made = replace(
        recall_report(),
        fingerprint=rows.store.fingerprint.to_json(),
        rows_digest=rows.digest,
    )
    several = {
        "of other rows": replace(made, created="2026-05-01T00:00:00+00:00", rows_digest="0" * 64),
        "old": replace(made, created="2026-01-01T00:00:00+00:00"),
        "new": replace(made, created="2026-02-01T00:00:00+00:00"),
        "of another": replace(made, created="2026-04-01T00:00:00+00:00", fingerprint={}),
    }
    for name, each in several.items():
        folder = tmp_path / "reports" / name
        folder.mkdir(parents=True)
        (folder / "report.json").write_text(json.dumps(DATA.to_json(each)))
    (tmp_path / "reports/broken").mkdir()
    (tmp_path / "reports/broken/report.json").write_text("{")
    with caplog.at_level(logging.WARNING, logger=module.__name__):
        found = known_of(asked(f"recall_reports={tmp_path}/reports"), {"toy": rows})["toy"].report
    assert found == recall_reports.read(tmp_path / "reports/new")
    (passed_over,) = caplog.messages
    assert passed_over.startswith(f"passed over: {tmp_path}/reports/broken/report.json is not a")


def test_indexes_of_a_recall_report() -> None:
    result, made = model("toy", 0.6), recall_report()
    found = deployments([result], {"toy": Known(5.0, "", None, made)}, {})
    measured = {each.name: each for each in made.systems if not each.skipped}
    assert [each.index for each in found] == [
        EXACT,
        *(name for name in measured if name != "flat"),
    ]
    (exact, *indexes) = found
    (flat,) = measured["flat"].settings
    (qps,) = (each.qps for each in flat.latency if each.kind == "text")
    assert (exact.qps, exact.recall, exact.expected, exact.queries) == (qps, None, 0.6, "text")
    built = measured["flat"].build
    assert built is not None
    assert exact.bytes_per_row == built.disk_bytes / built.rows
    for each in indexes:
        system = measured[each.index]
        by_text = [
            (recall.recall_at[10], latency.qps, setting.parameters)
            for setting in system.settings
            for recall in setting.recall
            for latency in setting.latency
            if recall.kind == latency.kind == "text"
        ]
        enough = [one for one in by_text if one[0].value >= 0.95]
        best = (
            max(enough, key=lambda one: one[1])
            if enough
            else max(by_text, key=lambda one: one[0].value)
        )
        assert (each.recall, each.qps, each.parameters) == best
        assert each.expected == 0.6 * best[0].value
        assert system.build is not None
        assert each.bytes_per_row == system.build.disk_bytes / system.build.rows


def test_what_zero_shot_and_image_queries_say_of_an_index() -> None:
    made = recall_report()
    by_image = replace(
        made,
        systems=[
            replace(
                system,
                settings=[
                    replace(
                        setting,
                        recall=[each for each in setting.recall if each.kind == "image"],
                        latency=[each for each in setting.latency if each.kind == "image"],
                    )
                    for setting in system.settings
                ],
            )
            for system in made.systems
        ],
    )
    known = {"toy": Known(5.0, "", None, by_image)}
    found = deployments([model("toy", 0.6)], known, {})
    assert {each.queries for each in found} == {"image"}
    assert "queries/s by image" in sentences.costs(found[0])
    labels_alone = replace(model("toy", 0.6), retrieval=[])
    exact, *indexes = deployments([labels_alone], known, {})
    assert exact.expected is not None
    assert indexes
    assert {each.expected for each in indexes} == {None}


def test_rates_of_different_hardware_are_not_compared() -> None:
    results = [model("a", 0.5), model("b", 0.6)]
    known = {"a": Known(900.0, "H100", 1.0, None), "b": Known(10.0, "CPU", 1.0, None)}
    a, b = deployments(results, known, {})
    assert (a.on_front, b.on_front, a.images_per_s) == (False, True, 900.0)
    told = evaluation(*results, known=known)
    assert sentences.machines(told).startswith("Images/s are those of different hardware")
    assert sentences.machines(evaluation()) == ""
    known["b"] = replace(known["b"], hardware="H100")
    assert all(each.on_front for each in deployments(results, known, {}))


def random_deployments(count: int, seed: int) -> list[Deployment]:
    """Return deployments of a few levels, so that many are equal in something, or unknown."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 4, (count, 5)).tolist()
    (one,) = deployments([model("toy", 0.5)], {"toy": Known(1.0, "", None, None)}, {})
    return [
        replace(
            one,
            expected=quality / 4,
            quality=interval(quality / 4),
            images_per_s=speed or None,
            price=price or None,
            qps=qps or None,
            bytes_per_row=size or None,
        )
        for quality, speed, price, qps, size in levels
    ]


def test_the_front_and_the_choice_are_those_of_every_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"max_price": 2.0, "max_bytes_per_row": 2.0, "min_qps": 2.0}
    chosen = 0
    for given in [random_deployments(30, seed) for seed in range(20)]:
        monkeypatch.setattr(module, "_of_model", lambda result, known, given=given: given)
        found = deployments([model("toy", 0.5)], {"toy": Known(None, "", None, None)}, limits)
        costly = [
            # greater is better; what is not known is worse than anything
            (
                e.expected,
                -(e.price or 99),
                e.images_per_s or 0,
                e.qps or 0,
                -(e.bytes_per_row or 99),
            )
            for e in given
        ]
        for a, each in zip(costly, found, strict=True):
            beaten = any(b != a and all(map(np.greater_equal, b, a)) for b in costly)
            assert each.on_front is not beaten
            fits = 0 < (each.price or 0) <= 2 and 0 < (each.bytes_per_row or 0) <= 2
            assert (not each.misses) is (fits and (each.qps or 0) >= 2)
        best = choose(found)
        fitting = [each for each in found if not each.misses]
        chosen += best is not None
        if best is None:
            assert fitting == []
        else:
            assert found[best] in fitting
            assert found[best].expected == max(each.expected or 0 for each in fitting)
            assert found[best].on_front or any(each.on_front and each.misses for each in found)
    assert chosen


def test_the_advice() -> None:
    arrow = "\N{RIGHTWARDS ARROW}"
    assert sentences.advice(evaluation()) == (
        f"take large <b>, exact: caption {arrow} image recall@10 0.700, 50.0 images/s, $2.00 a "
        "million images, 2.05 kB a row"
    )
    cheap = sentences.advice(evaluation(max_price=1, min_qps=1000))
    assert cheap.startswith("take small, hnsw32 efSearch=128 under max_price=1, min_qps=1000: ")
    none = evaluation(min_qps=1e6, max_bytes_per_row=10)
    assert none.chosen is None
    count = len(none.deployments)
    assert sentences.advice(none) == (
        f"none fits under min_qps=1e+06, max_bytes_per_row=10: of {count}, {count} miss min_qps "
        f"(1 not known: run clipvec recall model=large <b>); {count} miss max_bytes_per_row"
    )
    unpriced = evaluation(
        known={n: Known(9.0, "T4", None, None) for n in ("small", "large <b>")}, max_price=1
    )
    assert sentences.advice(unpriced) == (
        "none fits under max_price=1: of 2, 2 miss max_price (2 not known: give price_per_hour=...)"
    )
    blind = replace(evaluation(), quality_of="", chosen=None)
    assert sentences.advice(blind) == (
        "nothing to take: without captions or labels no quality is known; name an "
        "attribute with label=..."
    )


def test_names_of_a_store_that_came_from_elsewhere_are_printed_on_one_line() -> None:
    found = evaluation(model("evil\x1b[2J\n", 0.5), model("b", 0.6))
    said = list(sentences.lines(found))
    assert len(said) > 2
    assert all(line.isprintable() for line in said)


def test_every_limit_can_exclude() -> None:
    for limit in itertools.chain(({"max_price": 0.1}, {"max_bytes_per_row": 1}, {"min_qps": 1e9})):
        found = evaluation(**limit)
        assert {name for each in found.deployments for name in each.misses} == {*limit}
