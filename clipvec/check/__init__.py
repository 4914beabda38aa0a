"""Whether a store, and the index of it, are byte for byte and row for row what was written."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
