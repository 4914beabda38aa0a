"""Writes the page."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from clipvec import projection, shards
from clipvec.dashboard.local.collect import collect
from clipvec.dashboard.panels import Slot, all_sections
from clipvec.dashboard.panels.table import TableView
from clipvec.errors import ConfigError
from clipvec.locations import expanded
from clipvec.progress import Progress
from clipvec.web import page as web_page

if TYPE_CHECKING:
    from pathlib import Path

    from markupsafe import Markup

    from clipvec.config import DashboardConfig
    from clipvec.dashboard.local.collect import SweepRuns
    from clipvec.dashboard.panels import Section
    from clipvec.progress import Task


@dataclass(frozen=True)
class DashboardSummary:
    """The result of the command."""

    page: Path
    sweep: str
    runs: int

    def __str__(self) -> str:
        """Return the last line of the command's output."""
        shown = f"{self.sweep}, {self.runs:,} runs" if self.runs else "no tracked run, the store"
        return f"{shown}: {self.page}"


@dataclass(frozen=True)
class SectionView:
    """A section as rendered on the page."""

    title: str
    panels: dict[str, list[Markup]]
    """The rendered panels by `Slot`."""


def write(config: DashboardConfig) -> DashboardSummary:
    """Write the page of a sweep.

    Raises:
        ConfigError: there is no such sweep, a package is missing, or the page cannot be written.
        StoreError: the store cannot be read.
    """
    declared = all_sections()
    with Progress() as progress, ThreadPoolExecutor(1, "projection") as apart:
        steps = progress.task("panels", sum(len(s.panels) for s in declared) + 2, "panels")
        sweep = collect(config)
        steps.advance()
        placing = apart.submit(projection.project, sweep.store)
        sections = [_draw(section, sweep, steps) for section in declared]
        projected = placing.result()
        steps.advance()
    text = web_page.render(
        "dashboard.html",
        web_page.PageAssets("clipvec.dashboard.local", styles=["dashboard.css"]),
        projection.ASSETS,
        sweep=sweep,
        title=sweep.name or config.collection,
        collection=config.collection,
        written=datetime.now(UTC).isoformat(timespec="seconds"),
        sections=[section for section in sections if section is not None],
        unhealthy=_unhealthy_runs(sweep),
        shards=_shards(sweep).html() if sweep.markers else "",
        projection=projection.template_values(projected) if projected is not None else None,
    )
    page = expanded(config.page)
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_bytes(text.encode("utf-8", "replace"))
    except OSError as error:
        raise ConfigError(
            f"page={config.page} cannot be written: {error.strerror}; choose another file"
        ) from error
    return DashboardSummary(page, sweep.name, sum(map(len, sweep.runs.values())))


def _draw(section: Section, sweep: SweepRuns, steps: Task) -> SectionView | None:
    """Return a section with its panels, or None if no run is of its kind."""
    runs = sweep.runs.get(section.job_type)
    panels: dict[str, list[Markup]] = {slot.value: [] for slot in Slot}
    for number, panel in enumerate(section.panels):
        steps.advance()
        drawn = panel.html(f"{section.job_type}-{number}", section.step, runs) if runs else None
        if drawn is not None:
            panels[panel.slot.value].append(drawn)
    return SectionView(section.title, panels) if runs else None


def _shards(sweep: SweepRuns) -> TableView:
    """Return the shards of the store, from their commit markers."""
    rows = []
    for marker in sweep.markers:
        seconds = float(marker.timings.get("seconds", 0))
        rate = (marker.rows + marker.rejects) / seconds if seconds else None
        rows.append([marker.shard, marker.rows, marker.rejects, seconds, rate, marker.clipvec])
    columns = ["shard", "rows", "rejects", "seconds", "images/s", "clipvec"]
    return TableView("Committed shards", columns, rows)


def _unhealthy_runs(sweep: SweepRuns) -> list[tuple[str, str]]:
    """Return the runs that failed or have not ended, with their state.

    Runs whose shards are all committed are left out, whichever run committed them.
    """
    done = {marker.shard for marker in sweep.markers}
    seen = sweep.store.shards
    unhealthy = []
    for run in sweep.runs["embed"]:
        asked = shards.parse(run.config.get("shards", shards.ALL), seen[-1] + 1)
        if done.issuperset({*asked} & {*seen}):  # the others were joined
            continue
        if run.exit_code is None:
            unhealthy.append((run.id, "has not ended: still running, or its machine is gone"))
        elif run.preempted and run.exit_code:
            unhealthy.append((run.id, "was preempted; it resumes when restarted"))
        elif run.exit_code:
            unhealthy.append((run.id, f"ended with exit code {run.exit_code}"))
    return unhealthy
