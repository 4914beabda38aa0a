"""clipvec: images in, a searchable vector index out, and proof that the index is good.

The commands are ``clipvec embed`` and so on; this package offers the same from Python,
see docs/python.md.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
