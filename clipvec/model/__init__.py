"""Encoders: images and texts to vectors of unit length. torch lives only in `model.torch`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
