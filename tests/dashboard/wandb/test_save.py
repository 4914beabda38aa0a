"""The saved view and report: their contents, and updating them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from clipvec import tracking
from clipvec.config import TrackingConfig
from clipvec.dashboard.panels import SECTIONS
from clipvec.dashboard.panels.curves import Curves
from clipvec.dashboard.wandb import api as server
from clipvec.dashboard.wandb import save, specs
from clipvec.dashboard.wandb.api import Server
from clipvec.tracking import LineChart, RunSpec
from tests.wandb_files import recorded
from tests.wandb_server import WandbServer

# wandb-workspaces still uses pydantic 1 in places.
pytestmark = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")

ONLINE = TrackingConfig(mode="online", project="photos")


def saved(server: WandbServer, kind: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Return the only view of a kind: id, values and spec."""
    ((id_, view),) = [(i, v) for i, v in server.views.items() if v["type"] == kind]
    return id_, view, json.loads(view["spec"])


def shown(panel: dict[str, Any]) -> tuple[str, str, list[str]]:
    """Return a panel's type, title and keys."""
    kind, config = panel["viewType"], panel["config"]
    if kind == "Weave":
        return kind, "", [config["panel2Config"]["exp"]["fromOp"]["inputs"]["key"]["val"]]
    if kind == "Vega2":
        return kind, config["stringSettings"]["title"], [table_of(config)]
    regex = [config["metricRegex"]] if config.get("useMetricRegex") else []
    return kind, config["chartTitle"], regex + config.get("metrics", config.get("mediaKeys", []))


def table_of(config: dict[str, Any]) -> str:
    (runs,) = config["userQuery"]["queryFields"]
    (table,) = [field for field in runs["fields"] if field["name"] == "summaryTable"]
    (key,) = table["args"]
    return str(key["value"])


EMBEDDING = [
    ("Run History Line Plot", "Images per second of a job", ["images_per_s"]),
    ("Run History Line Plot", "Where the time goes", ["^share/.*"]),
    ("Run History Line Plot", "Rejected images by reason", ["^rejects/.*"]),
    ("Run History Line Plot", "Batch fill", ["batch_fill"]),
    ("Run History Line Plot", "Bytes read", ["bytes_read"]),
    ("Run History Line Plot", "Processor cores in use", ["cpu_cores"]),
    ("Run History Line Plot", "GPU in use", ["system/gpu.0.gpu"]),
    ("Weave", "", ["sample_images"]),
]
OTHERS = [
    ("Scalar Chart", "Cost, USD", ["sweep/cost_usd"]),
    ("Run History Line Plot", "Jobs by state", ["^sweep/jobs/.*"]),
    ("Weave", "", ["jobs"]),
    ("Media Browser", "Projection of the images", ["projection"]),
    ("Vega2", "QPS by recall@10, texts", ["pareto/text@10_table"]),
    ("Weave", "", ["settings"]),
]


def test_a_view(saving: WandbServer) -> None:
    lines = save.save(ONLINE).splitlines()
    assert lines[0] == f"view created: {saving.url}/me/photos?nw=clipvec"
    _, view, spec = saved(saving, "project-view")
    assert (view["name"], view["displayName"]) == ("nw-clipvec-v", "clipvec")
    assert (view["entityName"], view["projectName"]) == ("me", "photos")
    sections = specs.sections(spec)
    assert [s["name"] for s in sections] == ["Sweep", "Embedding", "Index", "Recall", "Evaluation"]
    assert [len(s["panels"]) for s in sections] == [len(s.drawn) for s in SECTIONS]
    assert [shown(p) for p in sections[1]["panels"]] == EMBEDDING
    everything = [shown(p) for s in sections for p in s["panels"]]
    assert [p for p in OTHERS if p not in everything] == []
    flow = sections[0]["flowConfig"]
    assert (sections[0]["isOpen"], flow["columnsPerPage"], flow["rowsPerPage"]) == (True, 3, 5)
    assert spec["section"]["settings"]["shouldAutoGeneratePanels"] is False
    (runs,) = spec["section"]["runSets"]
    assert runs["runFeed"]["columnOrder"] == [
        "run:displayName",
        "summary:verified",
        "summary:recommendation/text/all.index",
        "summary:recommendation/image/all.index",
        "summary:advice",
    ]
    assert [(k["section"], k["name"]) for k in runs["grouping"]] == [
        ("run", "group"),
        ("run", "jobType"),
    ]


def test_curves(saving: WandbServer) -> None:
    save.save(ONLINE)
    panels = specs.sections(saved(saving, "project-view")[2])[1]["panels"]
    speed, share, *_, gpu, _ = (panel["config"] for panel in panels)
    assert (speed["xAxis"], speed["xAxisTitle"], speed["yAxisTitle"]) == (
        "_step",
        "images",
        "images/s",
    )
    assert (speed["groupBy"], speed["groupAgg"], speed["groupArea"]) == ("group", "mean", "minmax")
    assert (speed["plotType"], share["plotType"]) == ("line", "stacked-area")
    assert share["metrics"] == []
    assert (gpu["xAxis"], gpu["xAxisTitle"]) == ("_runtime", "seconds")


def test_a_report(saving: WandbServer) -> None:
    line = save.save(ONLINE).splitlines()[1]
    id_, report, spec = saved(saving, "runs")
    link = f"{saving.url}/me/photos/reports/clipvec-photos--{id_.rstrip('=')}"
    assert line == f"report created: {link}"
    assert report["displayName"] == "clipvec: photos"
    kinds = [block["type"] for block in spec["blocks"]]
    assert kinds == ["paragraph"] * 2 + ["heading", "panel-grid"] * len(SECTIONS) + ["paragraph"]
    says = "".join(child["text"] for child in spec["blocks"][1]["children"])
    assert says == ("Written by clipvec dashboard, which rewrites it on every run.")
    titles = [b["children"][0]["text"] for b in spec["blocks"] if b["type"] == "heading"]
    assert titles == [section.title for section in SECTIONS]
    grids = [b["metadata"] for b in spec["blocks"] if b["type"] == "panel-grid"]
    runs = [grid["runSets"][0] for grid in grids]
    assert [filters(r) for r in runs] == [[("run", "jobType", "=", s.job_type)] for s in SECTIONS]
    assert {r["sort"]["keys"][0]["key"]["name"] for r in runs} == {"createdAt"}
    assert [r["project"] for r in runs] == [
        {"entityName": "me", "name": "photos", "id": "1000"}
    ] * len(SECTIONS)
    panels = [grid["panelBankSectionConfig"]["panels"] for grid in grids]
    assert [shown(p) for p in panels[1]] == EMBEDDING


def filters(runs: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    found = runs["filters"]["filters"]
    return [(f["key"]["section"], f["key"]["name"], f["op"], f["value"]) for f in found]


def test_panels_of_a_report_are_side_by_side(saving: WandbServer) -> None:
    save.save(ONLINE)
    for block in saved(saving, "runs")[2]["blocks"]:
        if block["type"] != "panel-grid":
            continue
        panels = block["metadata"]["panelBankSectionConfig"]["panels"]
        cells = Counter(
            (x, y)
            for lies in (panel["layout"] for panel in panels)
            for x in range(lies["x"], lies["x"] + lies["w"])
            for y in range(lies["y"], lies["y"] + lies["h"])
        )
        assert set(cells.values()) == {1}
        assert max(x for x, _ in cells) < 24


def test_a_missing_project_is_created(saving: WandbServer) -> None:
    save.save(ONLINE)
    assert saving.projects == [("me", "photos")]
    save.save(ONLINE)
    assert saving.operations.count("CreateProject") == 1


def test_the_second_run_updates(saving: WandbServer) -> None:
    save.save(ONLINE)
    before = {id_: view["name"] for id_, view in saving.views.items()}
    view = saved(saving, "project-view")[2]
    lines = save.save(ONLINE).splitlines()
    assert [line.split(":")[0] for line in lines] == ["view updated", "report updated"]
    assert {id_: view["name"] for id_, view in saving.views.items()} == before
    assert len(before) == 2
    assert saved(saving, "project-view")[2] == view


def test_the_users_own_panels_are_kept(saving: WandbServer) -> None:
    save.save(ONLINE)
    _, view, spec = saved(saving, "project-view")
    mine = {
        "name": "Mine",
        "type": "flow",
        "panels": [{"__id__": "abc", "viewType": "New Kind", "config": {"unheard": 1}}],
    }
    added = {"__id__": "def", "viewType": "Markdown Panel", "config": {"value": "# Notes"}}
    old = {"__id__": "clipvec-of-old", "viewType": "Scalar Chart", "config": {"metrics": ["x"]}}
    sweep, embedding, index, recall, evaluation = specs.sections(spec)
    embedding["panels"] = [added, old]
    embedding["isOpen"] = False
    spec["section"]["panelBankConfig"]["sections"] = [embedding, mine, sweep, index, evaluation]
    spec["section"]["runSets"][0]["search"] = {"query": "tuesday"}
    spec["section"]["workspaceSettings"] = {"maxRuns": 50}
    view |= {"spec": json.dumps(spec), "displayName": "Ours"}

    save.save(ONLINE)
    _, view, after = saved(saving, "project-view")
    assert view["displayName"] == "Ours"
    names = [section["name"] for section in specs.sections(after)]
    assert names == ["Embedding", "Mine", "Sweep", "Index", "Evaluation", "Recall"]
    first, second, *_ = specs.sections(after)
    assert second == mine
    assert [shown(p) for p in first["panels"][:-1]] == EMBEDDING
    assert first["panels"][-1] == added
    assert first["isOpen"] is False
    assert after["section"]["runSets"] == spec["section"]["runSets"]
    assert after["section"]["workspaceSettings"] == {"maxRuns": 50}
    assert specs.sections(after)[-1] == recall


def test_the_report_is_found_among_many(saving: WandbServer) -> None:
    saving.page = 2
    mine = Server()
    project = mine.project("photos", None)
    titles = ["one", "two", "clipvec: photos (mine)", "clipvec: photos", "clipvec: photos", "last"]
    ids = [
        mine.save_view(project, "runs", {"name": t, "displayName": t, "spec": "{}"}) for t in titles
    ]
    assert [view["displayName"] for view in mine.views(project, "runs")] == titles
    save.save(ONLINE)
    reports = [id_ for id_, view in saving.views.items() if view["type"] == "runs"]
    assert reports == ids
    assert [len(saving.views[id_]["spec"]) > 2 for id_ in ids] == [False] * 3 + [True] + [False] * 2


def test_entity_and_project(saving: WandbServer) -> None:
    name = "an album, " + "x" * 110
    saving.projects.append(("team", name))
    config = TrackingConfig(mode="online", project=name, entity="team")
    quoted = name.replace(" ", "%20").replace(",", "%2C")
    assert save.save(config).startswith(f"view created: {saving.url}/team/{quoted}?nw=clipvec\n")
    assert saved(saving, "runs")[1]["displayName"] == f"clipvec: {name}"[:128]


def test_the_entity_of_wandbs_settings(
    saving: WandbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    saving.projects.append(("team", "photos"))
    monkeypatch.setenv("WANDB_ENTITY", "team")
    assert f"{saving.url}/team/photos?nw=clipvec\n" in save.save(ONLINE)


def test_a_chart_is_the_one_the_run_logged(
    saving: WandbServer, offline: TrackingConfig, job: RunSpec, tmp_path: Path
) -> None:
    with tracking.start_run(offline, job) as run:
        run.log_chart("pareto/text@1", LineChart("Pareto", "recall", {"flat": [(1, 9)]}))
    (found,) = recorded(tmp_path / "store")
    assert any("pareto/text@1_table" in point for point in found.history)
    config = found.config["_wandb"]["visualize"]["pareto/text@1"]["panel_config"]
    save.save(ONLINE)
    panels = specs.sections(saved(saving, "project-view")[2])[3]["panels"]
    panel = next(panel["config"] for panel in panels if panel["viewType"] == "Vega2")
    assert table_of(panel) == table_of(config) == "pareto/text@1_table"
    for key in ("panelDefId", "fieldSettings", "transform"):
        assert panel[key] == config[key]
    assert panel["stringSettings"].keys() == config["stringSettings"].keys()
    (ours,), (theirs,) = (x["userQuery"]["queryFields"] for x in (panel, config))
    assert ours["fields"] == theirs["fields"]


def test_requests_match_those_of_wandb() -> None:
    from wandb.apis import _generated as wandb
    from wandb.apis.public.reports import Reports
    from wandb_gql import gql
    from wandb_graphql.language.printer import print_ast
    from wandb_workspaces.reports.v2 import gql as workspaces

    pairs = {
        server.ENTITY: wandb.GET_DEFAULT_ENTITY_GQL,
        server.PROJECT: workspaces.projectInternalId,
        server.CREATE_PROJECT: wandb.CREATE_PROJECT_GQL,
        server.VIEWS: print_ast(Reports.QUERY),
        server.UPSERT_VIEW: workspaces.upsert_view,
    }
    for ours, theirs in pairs.items():
        gql(ours)  # raises if it is not GraphQL
        assert set(re.findall(r"\$?\w+", ours)) <= set(re.findall(r"\$?\w+", theirs))


def test_keys_are_distinct() -> None:
    for values in zip(*((s.title, s.job_type) for s in SECTIONS), strict=True):
        assert len(set(values)) == len(SECTIONS)
    for section in SECTIONS:
        panels = [(type(panel), *panel.keys) for panel in section.panels]
        titles = [(type(panel), panel.title) for panel in section.panels]
        assert len(set(panels)) == len(set(titles)) == len(section.panels)
    # Otherwise one table or chart would appear in the sections of two kinds of runs.
    tables = Counter(
        panel.keys for s in SECTIONS for panel in s.panels if not isinstance(panel, Curves)
    )
    assert set(tables.values()) == {1}
    assert all(isinstance(key, str) and key for keys in tables for key in keys)


def test_outline_uses_no_network() -> None:
    lines = save.outline(TrackingConfig(mode="offline", project="photos")).splitlines()
    assert lines[:3] == [
        "project  (your default entity)/photos",
        "view     clipvec",
        "report   clipvec: photos",
    ]
    assert "Embedding (runs of type embed, by images)" in lines
    assert "Recall (runs of type recall)" in lines
    panels = [" ".join(line.split()) for line in lines if line.startswith("  ")]
    assert len(panels) == sum(len(section.panels) for section in SECTIONS)
    assert "curves Where the time goes (stacked) share/*" in panels
    assert "htmlpage Projection of the images projection" in panels
    code = (
        "import sys; from clipvec.config import TrackingConfig; from clipvec.dashboard.wandb "
        "import save; save.outline(TrackingConfig(mode='online')); "
        "print({'wandb', 'wandb_workspaces', 'requests'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
