"""A map as a page, and in a tracked run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from clipvec.errors import ClipvecError
from clipvec.projection.plane import draw
from clipvec.web import page

if TYPE_CHECKING:
    from clipvec.projection.plane import Map
    from clipvec.store import Store
    from clipvec.tracking import Run

log = logging.getLogger(__name__)
PART = page.PageAssets("clipvec.projection", ["map.css"], ["map.js"])
"""What a page needs that has ``map.html`` in it."""
MAP = "map"
"""Key of the page that shows a sample of a store's images by their likeness."""


def html(made: Map, title: str) -> str:
    """Return a page of its own."""
    return page.render("page_of_map.html", PART, title=title, map=values(made))


def show(run: Run, store: Store) -> None:
    """Show the map of a store in a run that is tracked; what goes wrong is a line."""
    if not run.tracked:
        return
    try:
        made = draw(store)
    except ClipvecError as error:
        log.warning("no map of the images in the run: %s", error)
        return
    if made is not None:
        name = f"{store.fingerprint.dataset['name']} · {store.model['name']}"
        run.log_html(MAP, html(made, name))


def values(made: Map) -> dict[str, Any]:
    """Return what ``map.html`` shows."""
    tiles = made.tiles
    return {
        "rows": made.rows,
        "tiles": tiles and page.jpeg_url(tiles),
        "data": {
            "points": [[round(float(x), 4), round(float(y), 4)] for x, y in made.points],
            "captions": made.captions,
            "ids": made.ids,
            "columns": made.columns,
            "tile": made.tile,
        },
    }
