"""Maps: a sample of a store's images on a plane, like beside like.

draw   a store → a `Map`, or None where it has too few rows
html   a `Map` → a page of its own
show   a store → the page, in a tracked run
PART, values   for a page that has ``map.html`` in it
"""

from clipvec.maps.page import PART, html, show, values
from clipvec.maps.plane import Map, draw

__all__ = ["PART", "Map", "draw", "html", "show", "values"]
