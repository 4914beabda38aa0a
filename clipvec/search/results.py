"""Hits for a reader: a table, JSON, or a page with thumbnails."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from clipvec.errors import one_line, printable
from clipvec.search.pictures import place
from clipvec.web import page

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clipvec.index import Hit

_CONTROLS = re.compile("[\x7f-\x9f]")
"""Those that JSON leaves as they are."""


def to_json(hits: Sequence[Hit]) -> str:
    """Return the hits as a JSON list, without characters that a terminal obeys."""
    text = json.dumps([asdict(hit) for hit in hits], ensure_ascii=False, indent=1)
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def print_table(hits: Sequence[Hit]) -> None:
    """Print score, id, caption and uri: whole into a pipe; on a terminal cut, but for the score."""
    terminal = sys.stdout.isatty()
    rows = [
        (
            *(f"{hit.score:.4f}", printable(hit.id), one_line(hit.caption or "")),
            printable(place(hit) if terminal else hit.uri),
        )
        for hit in hits
    ]
    if not terminal:
        for row in rows:
            print("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console, table = Console(), Table(box=None, header_style="bold")
    scores, ids, captions, uris = zip(*rows, strict=True)
    table.add_column("score", no_wrap=True, justify="right", min_width=max(map(len, scores)))
    # Those behind it share what it leaves, the widest gives way first.
    table.add_column("id", no_wrap=True, overflow="ellipsis", max_width=console.width // 2)
    shown = [scores, ids]
    for name, cells in (("caption", captions), ("uri", uris)):
        if any(cells):
            table.add_column(Text(name, no_wrap=True))
            shown.append(cells)
    for row in zip(*shown, strict=True):
        table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in row))
    console.print(table)


def to_html(title: str, hits: Sequence[Hit], thumbnails: Mapping[str, bytes | None]) -> str:
    """Return a page that needs no other file; it has thumbnails by the keys of hits."""
    jpegs = [thumbnails.get(hit.key) for hit in hits]
    return page.render(
        "results.html",
        page.PageAssets("clipvec.search", styles=["results.css"]),
        title=title,
        found=[(hit, jpeg and page.jpeg_url(jpeg)) for hit, jpeg in zip(hits, jpegs, strict=True)],
    )
