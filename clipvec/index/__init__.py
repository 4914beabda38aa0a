"""The Chroma collection of one store: loaded from it, verified against it, searched.

A collection is a cache of the store. Its metadata says what made the vectors; a ledger beside it
says which part files it holds.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
