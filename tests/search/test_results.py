"""Hits as a table on a terminal."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable

import pytest
from rich.text import Text

from clipvec.index import Hit
from clipvec.search.results import print_table

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


def hit(score: float, id: str, caption: str | None = None) -> Hit:
    return Hit(id, score, f"{FOLDER}/{id}", caption, 30, 20)


@pytest.mark.parametrize("width", [30, 80, 100])
@pytest.mark.parametrize("caption", [None, CAPTION])
def test_the_score_is_whole_at_any_width(table: Table, width: int, caption: str | None) -> None:
    lines = table(width, [hit(0.3141, "2019/summer/IMG_1.jpg", caption), hit(-0.2718, "a" * 90)])
    assert max(map(len, lines)) <= width
    first, second = (line.split() for line in lines[1:])
    assert (first[0], second[0]) == ("0.3141", "-0.2718")
    assert (first[1][:8], second[1][:8]) == ("2019/sum", "aaaaaaaa")


def test_the_location_gives_way_first(table: Table) -> None:
    head, line = table(80, [hit(0.3141, "2019/summer/IMG_1.jpg")])
    assert head.split() == ["score", "id", "uri"]
    assert " 2019/summer/IMG_1.jpg  /home/ana/Pictures/of the last ten years" in line
    head, line = table(80, [hit(0.3141, "2019/summer/IMG_1.jpg", CAPTION)])
    assert head.split() == ["score", "id", "caption", "uri"]
    assert " 2019/summer/IMG_1.jpg  two geese on a frozen" in line


@pytest.mark.parametrize("terminal", [True, False])
def test_names_of_others_do_not_reach_the_terminal_as_they_are(terminal: bool) -> None:
    shown = Terminal() if terminal else io.StringIO()
    with contextlib.redirect_stdout(shown):
        print_table([hit(0.3141, "a\x1b[5mred.jpg", "b\x1b[2J")])
    assert "\x1b[5m" not in shown.getvalue()
    assert "\x1b[2J" not in shown.getvalue()
    assert "red.jpg" in shown.getvalue()
