"""A dashboard in wandb: a saved view and a report of a project, created or updated."""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING

from clipvec.dashboard.panels import all_sections
from clipvec.dashboard.wandb import specs
from clipvec.dashboard.wandb.api import Project, Server
from clipvec.errors import ConfigError
from clipvec.extras import missing

if TYPE_CHECKING:
    from clipvec.config import TrackingConfig
    from clipvec.dashboard.panels import Panel

VIEW = "clipvec"
"""The view's title, and its name in links."""
_VIEW_NAME = f"nw-{VIEW}-v"
"""Its name on the server, in wandb's form; fixed instead of random, so that links stay valid."""
_TITLE_LENGTH = 128
"""Longest title of a report."""


def outline(config: TrackingConfig) -> str:
    """Return what `save` would write, one panel per line, without using the network."""
    owner = config.entity or "(your default entity)"
    lines = [
        f"project  {owner}/{config.project}",
        f"view     {VIEW}",
        f"report   {_report_title(config.project)}",
    ]
    for section in all_sections():
        step = f", by {section.step}" if section.step else ""
        lines += ["", f"{section.title} (runs of type {section.job_type}{step})"]
        lines += [f"  {_line(panel)}" for panel in section.panels]
    return "\n".join(lines)


def save(config: TrackingConfig) -> str:
    """Create or update the view and the report; return lines with their URLs.

    The user's own sections and settings of the view are kept. The report is overwritten.

    Raises:
        ConfigError: not online, no key, or the server refuses.
        TrackingError: the server cannot be reached, or fails.
    """
    if config.mode != "online":
        raise ConfigError(
            f"tracking={config.mode}: a dashboard in wandb is made on its server, which "
            "tracking=online allows; --local makes a page without it"
        )
    try:
        import wandb_workspaces  # noqa: F401
    except ModuleNotFoundError:
        what = "a dashboard in wandb (--local makes a page without it)"
        raise missing(what, "dashboard", "wandb-workspaces") from None
    server = Server()
    project = server.project(config.project, config.entity)
    return f"{_save_view(server, project)}\n{_save_report(server, project)}"


def _save_view(server: Server, project: Project) -> str:
    kind = "project-view"
    spec = specs.view(project.entity, project.name, VIEW)
    there = next(server.views(project, kind, _VIEW_NAME), None)
    where = f"{server.link(project)}?nw={VIEW}"
    values = {"name": _VIEW_NAME, "displayName": VIEW}
    if there:
        try:
            spec = specs.merge(json.loads(there["spec"]), spec)
        except (LookupError, TypeError, ValueError):
            raise ConfigError(
                f"the view {VIEW} of {server.link(project)} has a form unknown to this version; "
                "delete it, and this command creates a new one"
            ) from None
        values = {"id": there["id"], "name": _VIEW_NAME, "displayName": there["displayName"]}
    server.save_view(project, kind, values | {"spec": json.dumps(spec)})
    return f"view {'updated' if there else 'created'}: {where}"


def _save_report(server: Server, project: Project) -> str:
    kind = "runs"  # wandb's name for a report that is not a draft
    title = _report_title(project.name)
    spec = specs.report(project.entity, project.name, project.id, title)
    of_title = [view for view in server.views(project, kind) if view["displayName"] == title]
    there: dict[str, str] = min(of_title, key=lambda view: str(view["createdAt"]), default={})
    values = {
        "id": there.get("id"),
        "name": there.get("name") or uuid.uuid4().hex[:12],
        "displayName": title,
        "description": f"Written by {specs.COMMAND}",
        "spec": json.dumps(spec),
    }
    id_ = server.save_view(project, kind, values)
    words = re.sub(r"\W+", "-", title).strip("-")
    where = server.link(project, "reports", f"{words}--{id_.replace('=', '')}")
    return f"report {'updated' if there else 'created'}: {where}"


def _report_title(project: str) -> str:
    return f"clipvec: {project}"[:_TITLE_LENGTH]


def _line(panel: Panel) -> str:
    keys = ", ".join(f"{key}*" if key.endswith("/") else key for key in panel.keys)
    return f"{type(panel).__name__.lower():8} {panel.label:44} {keys}"
