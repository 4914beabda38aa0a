"""What `clipvec.dashboard.panels` declares as wandb has it: the specs of a view and of a report."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from clipvec.dashboard.panels import SECTIONS, Chart, Curves, Number, Page, Panel, Section, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OURS = "clipvec"
"""How the ids of our panels begin, which are the same each time."""
COMMAND = "python -m clipvec.dashboard"
_COLUMNS = 3
_GRID = 24
"""Columns of a report's grid."""
_SIZES: dict[type, tuple[int, int]] = {
    Number: (4, 4),
    Curves: (8, 7),
    Table: (24, 10),
    Chart: (8, 8),
    Page: (24, 16),
}
"""Columns and rows of a panel in that grid."""


def keys(panel: Panel) -> tuple[str, ...]:
    """Return what a panel shows; for a chart, the table that wandb keeps it in."""
    if isinstance(panel, Curves):
        return panel.keys
    return (f"{panel.key}_table",) if isinstance(panel, Chart) else (panel.key,)


def view(entity: str, project: str, title: str) -> dict[str, Any]:
    """Return the spec of a saved view: a section for each of ours, runs by sweep and job type."""
    import wandb_workspaces.workspaces as ws

    made = ws.Workspace(
        entity=entity,
        project=project,
        name=title,
        sections=[_section(section) for section in SECTIONS],
        runset_settings=ws.RunsetSettings(
            groupby=[ws.Metric("Group"), ws.Metric("JobType")],
            pinned_columns=[f"summary:{word.key}" for s in SECTIONS for word in s.words],
        ),
    )
    spec = _spec(made)
    for section, of_view in zip(SECTIONS, sections(spec), strict=True):
        for panel, of_section in zip(section.drawn, of_view["panels"], strict=True):
            of_section["__id__"] = _id(section, panel)
    return spec


def sections(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the sections of a view's spec."""
    found: list[dict[str, Any]] = spec["section"]["panelBankConfig"]["sections"]
    return found


def merge(there: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """Return a view's spec with our panels as they are now, and all else as it was.

    On the spec itself: wandb-workspaces knows some of it only, and would save no more than that.
    """
    spec = copy.deepcopy(there)
    new = {section["name"]: section for section in sections(ours)}
    for section in sections(spec):
        of_ours = new.pop(section["name"], None)
        if of_ours:
            added = [p for p in section["panels"] if not str(p.get("__id__")).startswith(OURS)]
            section["panels"] = [*of_ours["panels"], *added]
    sections(spec).extend(new.values())
    return spec


def report(entity: str, project: str, project_id: str, title: str) -> dict[str, Any]:
    """Return the spec of a report: a heading and a grid for each section."""
    import wandb_workspaces.reports.v2 as wr

    says = ["Written by ", wr.InlineCode(COMMAND), ", which writes it anew each time that it runs."]
    blocks = [wr.P(says)]
    for section in SECTIONS:
        runs = wr.Runset(
            name=f"{section.title} runs",
            filters=f"JobType = '{section.job_type}'",
            order=[wr.OrderBy("CreatedTimestamp", ascending=False)],
        )
        panels = [_panel(panel, section.step) for panel in section.drawn]
        for panel, place in zip(panels, _places(section.drawn), strict=True):
            panel.layout = wr.Layout(**place)
        blocks += [wr.H1(section.title), wr.PanelGrid(runsets=[runs], panels=panels)]
    spec = _spec(
        wr.Report(entity=entity, project=project, title=title, width="fluid", blocks=blocks)
    )
    # A run set that is told its project looks the id up, through wandb.Api().
    of_runs = {"entityName": entity, "name": project, "id": project_id}
    for block in spec["blocks"]:
        for run_set in block.get("metadata", {}).get("runSets", []):
            run_set["project"] = of_runs
    return spec


def _spec(made: Any) -> dict[str, Any]:
    # Private, as only save() is public, which asks the server through wandb.Api().
    spec = made._to_model().spec.model_dump_json(by_alias=True, exclude_none=True)
    return dict(json.loads(spec))


def _section(section: Section) -> Any:
    import wandb_workspaces.workspaces as ws

    rows = -(-len(section.drawn) // _COLUMNS)
    return ws.Section(
        name=section.title,
        panels=[_panel(panel, section.step) for panel in section.drawn],
        is_open=True,
        layout_settings=ws.SectionLayoutSettings(columns=_COLUMNS, rows=rows),
    )


def _panel(panel: Panel, step: str) -> Any:
    import wandb_workspaces.reports.v2 as wr

    if isinstance(panel, Number):
        return wr.ScalarChart(title=panel.title, metric=panel.key)
    if isinstance(panel, Curves):
        return _curves(panel, step)
    if isinstance(panel, Table):
        return wr.WeavePanelSummaryTable(table_name=panel.key)
    if isinstance(panel, Page):
        return wr.MediaBrowser(title=panel.title, media_keys=[panel.key], num_columns=1)
    assert isinstance(panel, Chart)
    (table,) = keys(panel)
    # As wandb.plot.line_series has it.
    return wr.CustomChart(
        query={
            "id": {},
            "name": {},
            "_defaultColorIndex": {},
            "summaryTable": {"tableKey": table},
        },
        chart_name="wandb/lineseries/v0",
        chart_fields={name: name for name in ("step", "lineKey", "lineVal")},
        chart_strings={"title": panel.title, "xname": panel.x},
    )


def _curves(panel: Curves, step: str) -> Any:
    import wandb_workspaces.reports.v2 as wr

    # What wandb measures of a machine has times only, no steps.
    timed = all(key.startswith("system/") for key in panel.keys)
    found: dict[str, Any] = {"y": list(panel.keys)}
    if any(key.endswith("/") for key in panel.keys):
        found = {"metric_regex": "|".join(map(_pattern, panel.keys))}
    return wr.LinePlot(
        title=panel.title,
        x="RelativeTime(Process)" if timed else "Step",
        title_x="seconds" if timed else step or None,
        title_y=panel.unit,
        groupby=wr.Metric("Group"),
        groupby_aggfunc="mean",
        groupby_rangefunc="minmax",
        plot_type="stacked-area" if panel.stacked else "line",
        **found,
    )


def _pattern(key: str) -> str:
    return f"^{re.escape(key)}" + (".*" if key.endswith("/") else "$")


def _places(panels: Sequence[Panel]) -> Iterator[dict[str, int]]:
    """Yield where panels go in a report's grid: from left to right, then a row further down."""
    x = y = height = 0
    for panel in panels:
        w, h = _SIZES[type(panel)]
        if x + w > _GRID:
            x, y, height = 0, y + height, 0
        yield {"x": x, "y": y, "w": w, "h": h}
        x, height = x + w, max(height, h)


def _id(section: Section, panel: Panel) -> str:
    words = [section.job_type, type(panel).__name__, *keys(panel)]
    return OURS + hashlib.sha256(json.dumps(words).encode()).hexdigest()[:12]
