"""A projection as a page or in a tracked run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from clipvec.errors import ClipvecError
from clipvec.projection.plane import project
from clipvec.web import jpeg_url, page

if TYPE_CHECKING:
    from clipvec.projection.plane import Projection
    from clipvec.store import Store
    from clipvec.tracking import Run

log = logging.getLogger(__name__)
ASSETS = page.PageAssets("clipvec.projection", ["projection.css"], ["projection.js"])
"""For a page that includes ``projection.html``."""
PROJECTION_KEY = "projection"
"""Key of the page in a tracked run."""


def html(projection: Projection, title: str) -> str:
    """Return a page that shows only the projection."""
    values = template_values(projection)
    return page.render("projection_page.html", ASSETS, title=title, projection=values)


def log_projection(run: Run, store: Store) -> None:
    """Log the projection of a store to a tracked run; an error is logged as one line."""
    if not run.tracked:
        return
    try:
        projection = project(store)
    except ClipvecError as error:
        log.warning("the run has no projection of the images: %s", error)
        return
    if projection is not None:
        title = f"{store.fingerprint.dataset['name']} · {store.model['name']}"
        run.log_html(PROJECTION_KEY, html(projection, title))


def template_values(projection: Projection) -> dict[str, Any]:
    """Return the values for ``projection.html``."""
    tiles = projection.tiles
    return {
        "rows": projection.rows,
        "tiles": tiles and jpeg_url(tiles),
        "data": {
            "points": [[round(float(x), 4), round(float(y), 4)] for x, y in projection.points],
            "captions": projection.captions,
            "ids": projection.ids,
            "columns": projection.columns,
            "tile": projection.tile,
        },
    }
