"""The drawn figures, read back from the SVG of a page or a paper."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from clipvec.errors import ConfigError
from clipvec.recall.report import curves, figures, plots, sizes
from clipvec.recall.report.curves import SINGLE
from clipvec.recall.results import Build, SystemResult
from clipvec.web import palette, panels, svg
from tests.recall.report.conftest import HOSTILE
from tests.reports import briefly, report, setting

SVG = "{http://www.w3.org/2000/svg}"
RUNS = curves.label([report()])


def parsed(plot: panels.Plot) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(element) for element in panels.inline(plot)]


def tips(root: ElementTree.Element) -> list[str]:
    return [e.attrib["data-tip"] for e in root.iter() if "data-tip" in e.attrib]


def test_pareto_has_a_point_for_every_setting() -> None:
    text, image = parsed(plots.pareto(RUNS, 10, SINGLE))
    assert len(tips(text)) == len(tips(image)) == 26
    chroma = "chroma\nef_search=40\nrecall@10 {}\np95 2.58 ms of 900 calls"
    dashed = chroma.replace("-", "\N{EN DASH}")
    said = dashed.format("0.828 (0.814-0.840)\n601 QPS (571-625)")
    assert said.replace("-", "\N{EN DASH}") in tips(text)
    said = dashed.format("0.930 (0.922-0.937)\n620 QPS (589-645)")
    assert said.replace("-", "\N{EN DASH}") in tips(image)


def test_both_kinds_have_the_same_axes() -> None:
    with svg.drawing():
        made = []
        for panel in plots.pareto(RUNS, 10, SINGLE).panels:
            axes = Figure().subplots()
            panel.draw(axes)
            made.append((axes.get_xlim(), axes.get_ylim(), axes.get_yscale()))
    assert made[0] == made[1]
    assert made[0][2] == "log"


def test_target_and_recommendation_are_marked_where_they_apply() -> None:
    def marks(plot: panels.Plot) -> tuple[bool, int]:
        root = parsed(plot)[0]
        texts = "".join(root.itertext())
        rings = [e for e in root.iter() if e.get("id", "").endswith("-recommended")]
        return "target 0.95" in texts, len(rings)

    assert marks(plots.pareto(RUNS, 10, SINGLE)) == (True, 1)
    assert marks(plots.pareto(RUNS, 10, curves.LoadMode(64, 1))) == (True, 0)
    assert marks(plots.pareto(RUNS, 1, SINGLE)) == (False, 0)


def test_colours_are_left_to_the_page() -> None:
    for element in panels.inline(plots.pareto(RUNS, 10, SINGLE)):
        for light, _ in palette.variables().values():
            assert light not in element
        assert "var(--ink)" in element
        assert "<metadata" not in element
        assert 'width="' not in element.split(">")[0]


def test_names_are_drawn_as_they_are() -> None:
    systems = [
        SystemResult(name, "faiss", "Flat", Build(10, 1.0, 100, 100), [setting({}, 0.1, 10, True)])
        for name in (*HOSTILE, "\x00\x1b[0m\ud800")
    ]
    runs = curves.label([report(systems=briefly(systems))])
    for chapter in plots.chapters(runs):
        for plot in chapter.plots:
            for root in parsed(plot):
                assert {e.tag for e in root.iter()} <= {
                    f"{SVG}{tag}"
                    for tag in (
                        "svg",
                        "defs",
                        "style",
                        "g",
                        "path",
                        "use",
                        "clipPath",
                        "rect",
                        "text",
                    )
                }
    latency = parsed(plots.latency(runs, SINGLE))[0]
    assert any("$\\frac{1}{2}$ and $open" in text for text in latency.itertext())
    assert HOSTILE[0] in {
        tip.splitlines()[0] for tip in tips(parsed(plots.pareto(runs, 10, SINGLE))[0])
    }


def test_latency_shows_the_setting_that_meets_the_goal() -> None:
    text = parsed(plots.latency(RUNS, SINGLE))[0]
    said = "".join(text.itertext())
    assert "hnsw32, efSearch=128" in said
    assert "recall@10 0.967" in said
    assert "hnsw32, efSearch=128\np99 2.75 ms" in tips(text)


def test_few_calls_have_no_99th_percentile() -> None:
    made = setting({}, 0.1, 10)
    few = [replace(speed, calls=30, p99_ms=None) for speed in made.latency]
    alone = SystemResult("x", "faiss", "Flat", settings=[replace(made, latency=few)])
    runs = curves.label([report(systems=[alone])])
    root = parsed(plots.latency(runs, SINGLE))[0]
    assert [tip.split()[-3] for tip in tips(root)] == ["p50", "p95"]
    assert root.attrib["aria-label"].endswith("160, \N{EN DASH}.")


def test_runs_are_told_apart_by_their_markers() -> None:
    """Also those with a single setting, which have no line."""
    flat = [palette.line_style(1, run) for run in range(10)]
    assert len({style.colour for style in flat}) == 1
    assert len({style.marker for style in flat}) == 10


def test_filters_say_what_they_admit() -> None:
    recall = parsed(plots.filtered(RUNS, SINGLE))[0]
    (tip,) = [t for t in tips(recall) if t.startswith("flat\nstars < 1: ")]
    assert tip.splitlines()[1:] == [
        "stars < 1: 1 % of the rows",
        "recall@10 1.000 (1.000\N{EN DASH}1.000) of 80 queries",
        "20.4 QPS (18.4\N{EN DASH}22.4)",
    ]


def test_build_shows_unknown_values() -> None:
    seconds, memory, disk = parsed(plots.build(RUNS))
    assert [t.text for t in seconds.iter(f"{SVG}text")][:4] == [
        "chroma",
        "not known",
        "flat",
        "0.4 s",
    ]
    assert "420 MB" in "".join(memory.itertext())
    assert "2,500 B" in "".join(disk.itertext())


def test_sizes_are_drawn_where_they_differ() -> None:
    assert sizes.by_size(RUNS, SINGLE).panels == []
    runs = curves.label([report(), report(rows=1_000_000)])
    text, image, build = parsed(sizes.by_size(runs, SINGLE))
    assert len(tips(text)) == len(tips(image)) == 14
    assert len(tips(build)) == 12
    assert "1M" in "".join(text.itertext())


def test_nothing_measured_means_no_plot() -> None:
    assert list(plots.chapters(curves.label([report(systems=[])]))) == []
    refused = [SystemResult("x", "faiss", "Nope", skipped="no such index")]
    assert list(plots.chapters(curves.label([report(systems=refused)]))) == []


def test_one_kind_alone_has_one_panel() -> None:
    made = setting({}, 0.1, 10)
    texts = [[x for x in part if x.kind == "text"] for part in (made.recall, made.latency)]  # type: ignore[attr-defined]
    alone = SystemResult("x", "faiss", "Flat", settings=[type(made)({}, *texts)])
    plot = plots.pareto(curves.label([report(systems=[alone])]), 10, SINGLE)
    assert [panel.title for panel in plot.panels] == ["Text queries"]


@pytest.mark.parametrize("low", [0.0, 0.3, 0.9, 0.97, 0.999, 1.0])
def test_recall_axis_has_ticks_apart(low: float) -> None:
    axes = Figure().subplots()
    figures.recall_scale(axes, "x", [low])
    ticks = axes.get_xticks()
    assert ticks[-1] == 1
    assert len(ticks) >= 2
    places = [axes.transData.transform((tick, 0))[0] for tick in ticks]
    assert min(b - a for a, b in itertools.pairwise(places)) > 25


def test_files_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    plot = plots.pareto(RUNS, 10, SINGLE)
    made = []
    for name in ("a", "b"):
        panels.save(plot, tmp_path / name)
        files = sorted((tmp_path / name).rglob("*.*"))
        assert [file.name for file in files] == [
            "recall-at-10-single.png",
            "recall-at-10-single.svg",
        ]
        made.append([file.read_bytes() for file in files])
    assert made[0] == made[1]
    assert made[0][0].startswith(b"\x89PNG")
    assert b"<text" not in made[0][1]  # paths: no reader's font changes a paper's figure


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, WCAG 2.2."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted(luminance(colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_colours_stand_out(theme: int) -> None:
    panel = palette.GROUND["panel"][theme]
    for name, pair in palette.variables().items():
        if name not in {"grid", "panel"}:
            assert contrast(pair[theme], panel) >= 4.5, name


def test_line_styles_repeat_late() -> None:
    styles = [(palette.line_style(n).colour, palette.line_style(n).marker) for n in range(100)]
    assert len(set(styles)) == 100


def test_missing_matplotlib_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(ConfigError, match=r"pip install 'clipvec\[recall\]'"), svg.drawing():
        pass
