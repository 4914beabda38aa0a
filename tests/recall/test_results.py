"""The data of ``report.json``: round trip, validation, and agreement with the schema."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from clipvec.errors import ConfigError
from clipvec.recall.results import DATA
from tests.reports import report


def test_json_brings_back_the_same_report() -> None:
    written = json.loads(json.dumps(DATA.to_json(report()), allow_nan=False))
    assert DATA.from_json(written, "report.json") == report()


def test_report_conforms_to_its_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(DATA.schema)
    jsonschema.validate(DATA.to_json(report()), DATA.schema)


def test_schema_describes_every_field() -> None:
    for kind in (*DATA.schema["$defs"].values(), DATA.schema):
        for name, field in kind["properties"].items():
            assert field.get("description"), f"{kind['title']}.{name}"
    speed = DATA.schema["$defs"]["LatencyResult"]["properties"]
    assert speed["qps"]["description"] == "QPS of the median round."
    assert speed["qps"]["exclusiveMinimum"] == 0


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (("systems", 0, "settings", 0, "latency", 0, "qps"), 0, "greater than 0"),
        (("systems", 0, "settings", 0, "latency", 0, "p99_ms"), float("nan"), "finite"),
        (("systems", 0, "kind"), "annoy", "'faiss', 'chroma' or 'disk'"),
        (("systems", 0, "settings", 0, "recall", 0, "recall_at", "1", "value"), 1.1, "or equal"),
        (("recommendations", 0, "target_recall"), 1.5, "less than or equal to 1"),
        (("rows",), -1, "greater than or equal to 0"),
        (("schema_version",), 1, "should be 2"),
    ],
)
def test_invalid_reports_are_refused(path: tuple[Any, ...], value: object, problem: str) -> None:
    values = DATA.to_json(report())
    inner: Any = values
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    place = ".".join(map(str, path))
    with pytest.raises(
        ConfigError, match=f"^old.json is not a recall report: {place}: .*{problem}"
    ):
        DATA.from_json(values, "old.json")
    if value == value:  # JSON has no NaN, so no schema can speak of it
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(values, DATA.schema)


def test_schema_knows_what_keys_look_like() -> None:
    values = DATA.to_json(report())
    recall = values["systems"][0]["settings"][0]["recall"][0]["recall_at"]
    recall["ten"] = recall.pop("10")
    with pytest.raises(jsonschema.ValidationError, match="'ten' does not match"):
        jsonschema.validate(values, DATA.schema)


def test_a_percentile_of_few_calls_is_unknown() -> None:
    values = DATA.to_json(report())
    speed = values["systems"][0]["settings"][0]["latency"][0]
    speed |= {"calls": 30, "p99_ms": None}
    jsonschema.validate(values, DATA.schema)
    read = DATA.from_json(values, "report.json")
    assert read.systems[0].settings[0].latency[0].p99_ms is None
