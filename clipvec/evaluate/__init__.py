"""How good a model is on the images of a store: against their captions and labels.

Everything comes from the finished store: its vectors, captions and attributes. Only texts are
encoded, by the store's own model.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
