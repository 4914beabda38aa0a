"""The Python API, for notebooks and other programs; `clipvec` itself is its face."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
