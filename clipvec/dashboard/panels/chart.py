"""A logged chart of several lines, such as recall against queries per second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipvec.dashboard.panels.base import Panel, Slot
from clipvec.dashboard.panels.figure import canvas, frame, inline, numbers
from clipvec.web import count_scale, format, palette, recall_scale

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup
    from matplotlib.axes import Axes

    from clipvec.tracking import RecordedRun


@dataclass(frozen=True)
class Chart(Panel):
    """A chart of the newest run."""

    key: str
    x: str
    """Label of its x axis."""

    slot = Slot.FIGURES
    wandb_size = (8, 8)

    @property
    def keys(self) -> tuple[str, ...]:
        """The table in which wandb stores a chart."""
        return (f"{self.key}_table",)

    def wandb(self, step: str) -> Any:
        """Return a custom chart like that of ``wandb.plot.line_series``."""
        import wandb_workspaces.reports.v2 as wr

        (table,) = self.keys
        return wr.CustomChart(
            query={
                "id": {},
                "name": {},
                "_defaultColorIndex": {},
                "summaryTable": {"tableKey": table},
            },
            chart_name="wandb/lineseries/v0",
            chart_fields={name: name for name in ("step", "lineKey", "lineVal")},
            chart_strings={"title": self.title, "xname": self.x},
        )

    def html(self, name: str, step: str, runs: Sequence[RecordedRun]) -> Markup | None:
        """Return a figure."""
        (key,) = self.keys
        rows = runs[-1].table(key)
        if not rows:
            return None
        lines: dict[str, list[tuple[float, float]]] = {}
        for row in rows:
            lines.setdefault(row["lineKey"], []).append((row["step"], row["lineVal"]))
        if len(rows) == 1:
            (row,) = rows
            values = {self.x: format.share(row["step"]), "QPS": format.number(row["lineVal"])}
            return numbers(f"{self.title}: {row['lineKey']}", values)
        with canvas() as (figure, axes):
            tips = _draw(axes, lines)
            axes.set_yscale("log")
            recall_scale(axes, "x", [row["step"] for row in rows])
            count_scale(axes, "y", [row["lineVal"] for row in rows])
            axes.set_xlabel(self.x)
            axes.set_ylabel("queries per second")
            plot = inline(figure, axes, name, f"{self.title}: {', '.join(lines)}.", tips)
        legend = [(line, palette.line_style(i).variable) for i, line in enumerate(lines)]
        return frame(self.title, plot, legend)


def _draw(axes: Axes, lines: Mapping[str, Sequence[tuple[float, float]]]) -> dict[str, str]:
    tips = {}
    for number, (line, points) in enumerate(lines.items()):
        style = palette.line_style(number)
        axes.plot(*zip(*points, strict=True), color=style.colour, linewidth=1.3)
        for at, (recall, qps) in enumerate(points):
            gid = f"line-{number}-{at}"
            axes.plot(
                [recall], [qps], marker=style.marker, color=style.colour, gid=gid, markersize=5
            )
            tips[gid] = f"{line}\nrecall {format.share(recall)}\n{format.number(qps)} QPS"
    return tips
