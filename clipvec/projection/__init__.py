"""Maps: a sample of a store's images on a plane, like beside like.

draw   a store → a `Map`, or None where it has too few rows
html   a `Map` → a page of its own
show   a store → the page, in a tracked run
PART, values   for a page that has ``map.html`` in it
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
