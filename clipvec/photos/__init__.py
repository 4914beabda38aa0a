"""One's own photos from a folder to a page that searches them, in one command."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
