"""The embedding projection: a store's images on a plane, similar ones near each other.

project          a store → the `Projection` of a sample, or None if it has too few rows
log_projection   a store → a separate page, in a tracked run
StoredProjection  the positions of all rows, as ``clipvec projection`` stores them
ASSETS, template_values   for a page that includes ``projection.html``
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
