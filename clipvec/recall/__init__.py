"""The contest of indexes: FAISS's and the live Chroma collection, built and measured alike.

Rows are numbers, in the order of the store, throughout: FAISS knows no others, ids are looked up
in a table of 16 bytes a row, and a store of any size fits.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
