"""Hits on a terminal, each below its picture.

The process that has the terminal draws them, and not the one that stays loaded: what a terminal can
show is learnt by asking it.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from clipvec.errors import ConfigError, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clipvec.index import Hit

_LINES = 10
"""That a picture takes at most."""


def check_terminal() -> None:
    """Raise a ConfigError where pictures cannot be drawn."""
    why = "the input or the output is none"
    if sys.stdin.isatty() and sys.stdout.isatty():
        if all(os.get_terminal_size(sys.stdout.fileno())):
            return
        why = "this one does not tell its size"
    raise ConfigError(
        f"--show draws on a terminal, and {why}; leave it out, or write a page by --html FILE"
    )


def to_json(hits: Sequence[Hit], thumbnails: Mapping[str, bytes | None]) -> str:
    """Return what `draw` takes: hits, with the thumbnails that there are by the keys of hits."""
    found = []
    for hit in hits:
        jpeg = thumbnails.get(hit.key)
        words = [one_line(word or "") for word in (hit.id, hit.caption, place(hit))]
        picture = jpeg and base64.b64encode(jpeg).decode()
        found.append({"score": hit.score, "words": words, "jpeg": picture})
    return json.dumps(found)


def place(hit: Hit) -> str:
    """Return where a hit's image is, as a person reads it; nothing where the id tells it.

    A file below the current folder is named as seen from there.
    """
    return "" if hit.uri.endswith(f"/{hit.id}") else hit.uri.removeprefix(f"{Path.cwd()}/")


def draw(hits: str) -> None:
    """Print hits that `to_json` wrote, each below its picture.

    By kitty's protocol or as Sixel where the terminal knows one of them, or in coloured blocks.
    """
    from rich.console import Console
    from rich.text import Text
    from textual_image.renderable import Image

    # it warns, with a traceback, where a terminal does not tell how many pixels it has
    logging.getLogger("textual_image").setLevel(logging.CRITICAL)
    console, found = Console(), json.loads(hits)
    if not any(hit["jpeg"] for hit in found):
        print("the store has no thumbnails of these (store.thumbnail)", file=sys.stderr)
    for hit in found:
        if hit["jpeg"]:
            image = Image(io.BytesIO(base64.b64decode(hit["jpeg"])), "auto", "auto")
            console.print(image, height=_LINES)
        said = "  ".join(filter(None, hit["words"]))
        line = Text.assemble((f"{hit['score']:.4f}", "bold"), f"  {said}")
        console.print(line, no_wrap=True, overflow="ellipsis")
