"""The page itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipvec import paths, projection, shards
from clipvec.dashboard.local import figures
from clipvec.dashboard.local.gather import gather
from clipvec.dashboard.panels import SECTIONS, Chart, Curves, Number, Page, Table, Word
from clipvec.errors import ConfigError
from clipvec.progress import Progress
from clipvec.tracking import ImageCell
from clipvec.web import format
from clipvec.web import page as shell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipvec.config import DashboardConfig
    from clipvec.dashboard.local.figures import Figure
    from clipvec.dashboard.local.gather import Board
    from clipvec.dashboard.panels import Section
    from clipvec.progress import Task
    from clipvec.tracking import RecordedRun

_PICTURES = 48
"""Most pictures that are shown of a sweep."""


@dataclass(frozen=True)
class DashboardSummary:
    """What was written."""

    page: Path
    sweep: str
    runs: int

    def __str__(self) -> str:
        """Return a line for the end of the command."""
        shown = f"{self.sweep}, {self.runs:,} runs" if self.runs else "no tracked run, the store"
        return f"{shown}: {self.page}"


@dataclass(frozen=True)
class Grid:
    """A table for a reader."""

    title: str
    columns: list[str]
    rows: list[list[Any]]

    @property
    def numeric(self) -> set[int]:
        """The columns of numbers."""
        return {
            place
            for place, cells in enumerate(zip(*self.rows, strict=True))
            if any(isinstance(c, int | float) for c in cells)
        }


@dataclass(frozen=True)
class Shown:
    """A section as the page has it."""

    title: str
    numbers: list[tuple[str, str]]
    figures: list[Figure]
    pictures: list[tuple[str, str]]
    """A ``data:`` URL and a caption each."""
    grids: list[Grid]


def write(config: DashboardConfig) -> DashboardSummary:
    """Write the page of a sweep.

    Raises:
        ConfigError: no such sweep, a package is missing, or the page cannot be written.
        StoreError: the store cannot be read.
    """
    with Progress() as progress:
        steps = progress.task("panels", sum(len(s.panels) for s in SECTIONS) + 2, "panels")
        board = gather(config)
        steps.advance()
        drawn = projection.draw(board.store)
        steps.advance()
        sections = [s for s in (_section(s, board, steps) for s in SECTIONS) if s is not None]
    name = paths.collection_name(config.dataset.name, config.model.name)
    text = shell.render(
        "board.html",
        shell.PageAssets("clipvec.dashboard.local", styles=["board.css"]),
        projection.PART,
        board=board,
        title=board.sweep or name,
        collection=name,
        written=datetime.now(UTC).isoformat(timespec="seconds"),
        sections=sections,
        unwell=_unwell(board),
        shards=_shards(board),
        map=projection.values(drawn) if drawn is not None else None,
    )
    page = Path(config.page).expanduser()
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_bytes(text.encode("utf-8", "replace"))
    except OSError as error:
        raise ConfigError(
            f"page={config.page} cannot be written: {error.strerror}; choose another file"
        ) from error
    return DashboardSummary(page, board.sweep, sum(map(len, board.runs.values())))


def _section(section: Section, board: Board, steps: Task) -> Shown | None:
    runs = board.runs[section.job_type]
    shown = Shown(section.title, [], [], [], [])
    for number, panel in enumerate(section.panels):
        steps.advance()
        name = f"{section.job_type}-{number}"
        figure = None
        if isinstance(panel, Number | Word):
            shown.numbers.extend(_number(panel, runs))
        elif isinstance(panel, Curves):
            figure = figures.curves(name, panel, section.step, runs)
        elif isinstance(panel, Chart):
            figure = figures.chart(name, panel, runs[-1]) if runs else None
        elif isinstance(panel, Table):
            _table(panel, runs, shown)
        else:
            assert isinstance(panel, Page)  # the map, which the board draws of the store itself
        if figure is not None:
            shown.figures.append(figure)
    return shown if runs else None


def _number(panel: Number | Word, runs: Sequence[RecordedRun]) -> list[tuple[str, str]]:
    """Return title and value, where a run has it."""
    for run in reversed(runs):
        value: Any = run.summary
        for key in panel.key.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, int | float):
            whole = float(value).is_integer()
            return [(panel.title, f"{value:,.0f}" if whole else format.number(value))]
        if value is not None:
            return [(panel.title, str(value))]
    return []


def _table(panel: Table, runs: Sequence[RecordedRun], shown: Shown) -> None:
    """Add a table's rows, or its pictures where it has such."""
    rows = [row for run in runs for row in run.table(panel.key)]
    if not rows:
        return
    pictures = [[c for c in row.values() if isinstance(c, ImageCell)] for row in rows]
    if any(pictures):
        every = -(-len(rows) // _PICTURES)
        for picture, *_ in filter(None, pictures[::every]):
            shown.pictures.append((shell.jpeg_url(picture.jpeg), picture.caption))
        return
    columns = list(rows[0])
    shown.grids.append(Grid(panel.title, columns, [[row[c] for c in columns] for row in rows]))


def _shards(board: Board) -> Grid:
    """Return how the shards of the store went, as their commit markers have it."""
    rows = []
    for mark in board.marks:
        seconds = float(mark.timings.get("seconds", 0))
        rate = (mark.rows + mark.rejects) / seconds if seconds else None
        rows.append([mark.shard, mark.rows, mark.rejects, seconds, rate, mark.clipvec])
    columns = ["shard", "rows", "rejects", "seconds", "images/s", "clipvec"]
    return Grid("Committed shards", columns, rows)


def _unwell(board: Board) -> list[tuple[str, str]]:
    """Return the runs that did not end well, and how they stand.

    Those whose shards are all committed are left out, whichever run committed them.
    """
    done, count = {mark.shard for mark in board.marks}, board.store.fingerprint.sharding_count
    found = []
    for run in board.runs["embed"]:
        if done.issuperset(shards.parse(run.config.get("shards", shards.ALL), count)):
            continue
        if run.exit_code is None:
            found.append((run.id, "has not ended: it runs still, or its machine vanished"))
        elif run.preempted and run.exit_code:
            found.append((run.id, "was preempted; the next start goes on with it"))
        elif run.exit_code:
            found.append((run.id, f"ended with exit code {run.exit_code}"))
    return found
