"""Hits as a table on a terminal."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.text import Text

from clipvec.index import Hit
from clipvec.search.results import print_table, to_json

FOLDER = "/home/ana/Pictures/of the last ten years"
CAPTION = "two geese on a frozen lake in the early morning " * 2
Table = Callable[[int, list[Hit]], list[str]]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    """Return the lines of a table on a terminal of a width."""

    def lines(width: int, hits: list[Hit]) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("TERM", "xterm")
        with contextlib.redirect_stdout(Terminal()) as printed:
            print_table(hits)
        return Text.from_ansi(printed.getvalue()).plain.splitlines()

    return lines


def hit(score: float, id: str, caption: str | None = None, uri: str | None = None) -> Hit:
    return Hit(id, score, uri or f"{FOLDER}/{id}", caption, 30, 20)


@pytest.mark.parametrize("width", [30, 80, 100])
@pytest.mark.parametrize("caption", [None, CAPTION])
def test_the_score_is_whole_at_any_width(table: Table, width: int, caption: str | None) -> None:
    lines = table(width, [hit(0.3141, "2019/summer/IMG_1.jpg", caption), hit(-0.2718, "a" * 90)])
    assert max(map(len, lines)) <= width
    first, second = (line.split() for line in lines[1:])
    assert (first[0], second[0]) == ("0.3141", "-0.2718")
    assert (first[1][:8], second[1][:8]) == ("2019/sum", "aaaaaaaa")


def test_the_location_gives_way_first(table: Table) -> None:
    head, line = table(80, [hit(0.3141, "17", uri=f"{FOLDER}/IMG_1.jpg")])
    assert head.split() == ["score", "id", "uri"]
    assert " 17  /home/ana/Pictures/of the last ten years" in line
    head, line = table(80, [hit(0.3141, "17", CAPTION, f"{FOLDER}/IMG_1.jpg")])
    assert head.split() == ["score", "id", "caption", "uri"]
    assert " 17  two geese on a frozen" in line


def test_a_location_that_the_id_tells_is_left_out(table: Table) -> None:
    head, line = table(80, [hit(0.3141, "2019/summer/IMG_1.jpg")])
    assert head.split() == ["score", "id"]
    assert line.split() == ["0.3141", "2019/summer/IMG_1.jpg"]


def test_a_location_below_the_current_folder_is_seen_from_there(table: Table) -> None:
    below, beside = f"{Path.cwd()}/photos/a.jpg", f"{Path.cwd()}-old/a.jpg"
    _, first, second = table(200, [hit(0.3, "1", uri=below), hit(0.2, "2", uri=beside)])
    assert first.split() == ["0.3000", "1", "photos/a.jpg"]
    assert second.split() == ["0.2000", "2", beside]


@pytest.mark.parametrize("terminal", [True, False])
def test_names_of_others_do_not_reach_the_terminal_as_they_are(terminal: bool) -> None:
    shown = Terminal() if terminal else io.StringIO()
    with contextlib.redirect_stdout(shown):
        print_table([hit(0.3141, "a\x1b[5mred.jpg", "b\x1b[2J")])
    assert "\x1b[5m" not in shown.getvalue()
    assert "\x1b[2J" not in shown.getvalue()
    assert "red.jpg" in shown.getvalue()


def test_json_has_no_control_characters() -> None:
    text = to_json([hit(0.3141, "a\x9b5mred\x7f.jpg")])
    assert "a\\u009b5mred\\u007f.jpg" in text
    assert json.loads(text)[0]["id"] == "a\x9b5mred\x7f.jpg"
