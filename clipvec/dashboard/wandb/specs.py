"""The specs of a saved view and of a report, built from the panels."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from clipvec import files
from clipvec.dashboard.panels import all_sections

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clipvec.dashboard.panels import Panel, Section

OURS = "clipvec"
"""Prefix of our panels' ids, which are the same each time."""
COMMAND = "clipvec dashboard"
_COLUMNS = 3
_GRID = 24
"""Columns of a report's grid."""


def view(entity: str, project: str, title: str) -> dict[str, Any]:
    """Return the spec of a saved view: all our sections, runs grouped by sweep and job type."""
    import wandb_workspaces.workspaces as ws

    declared = all_sections()
    workspace = ws.Workspace(
        entity=entity,
        project=project,
        name=title,
        sections=[_section(section) for section in declared],
        runset_settings=ws.RunsetSettings(
            groupby=[ws.Metric("Group"), ws.Metric("JobType")],
            pinned_columns=[
                f"summary:{key}" for s in declared for panel in s.columns for key in panel.keys
            ],
        ),
    )
    spec = _spec(workspace)
    for section, of_view in zip(declared, sections(spec), strict=True):
        for panel, of_section in zip(section.drawn, of_view["panels"], strict=True):
            of_section["__id__"] = _id(section, panel)
    return spec


def sections(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the sections of a view's spec."""
    found: list[dict[str, Any]] = spec["section"]["panelBankConfig"]["sections"]
    return found


def merge(there: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """Return a view's spec with our panels updated and everything else unchanged.

    This edits the spec itself: wandb-workspaces models only part of it and would drop the rest.
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

    says = ["Written by ", wr.InlineCode(COMMAND), ", which rewrites it on every run."]
    blocks = [wr.P(says)]
    for section in all_sections():
        runs = wr.Runset(
            name=f"{section.title} runs",
            filters=f"JobType = '{section.job_type}'",
            order=[wr.OrderBy("CreatedTimestamp", ascending=False)],
        )
        panels = [panel.wandb(section.step) for panel in section.drawn]
        for panel, place in zip(panels, _places(section.drawn), strict=True):
            panel.layout = wr.Layout(**place)
        blocks += [wr.H1(section.title), wr.PanelGrid(runsets=[runs], panels=panels)]
    spec = _spec(
        wr.Report(entity=entity, project=project, title=title, width="fluid", blocks=blocks)
    )
    # Given a project, a run set would look up its id through wandb.Api().
    of_runs = {"entityName": entity, "name": project, "id": project_id}
    for block in spec["blocks"]:
        for run_set in block.get("metadata", {}).get("runSets", []):
            run_set["project"] = of_runs
    return spec


def _spec(unsaved: Any) -> dict[str, Any]:
    # A private method: the only public one is save(), which uses wandb.Api().
    spec = unsaved._to_model().spec.model_dump_json(by_alias=True, exclude_none=True)
    return dict(json.loads(spec))


def _section(section: Section) -> Any:
    import wandb_workspaces.workspaces as ws

    rows = -(-len(section.drawn) // _COLUMNS)
    return ws.Section(
        name=section.title,
        panels=[panel.wandb(section.step) for panel in section.drawn],
        is_open=True,
        layout_settings=ws.SectionLayoutSettings(columns=_COLUMNS, rows=rows),
    )


def _places(panels: Sequence[Panel]) -> Iterator[dict[str, int]]:
    """Yield the layout of panels in a report's grid: left to right, then the next row."""
    x = y = height = 0
    for panel in panels:
        assert panel.wandb_size is not None
        w, h = panel.wandb_size
        if x + w > _GRID:
            x, y, height = 0, y + height, 0
        yield {"x": x, "y": y, "w": w, "h": h}
        x, height = x + w, max(height, h)


def _id(section: Section, panel: Panel) -> str:
    return OURS + files.digest([section.job_type, type(panel).__name__, *panel.keys])[:12]
