"""Vector indexes: built from a store, verified against it, searched.

An index is a cache of the store: one command rebuilds it. It records what made its vectors and
which part files it holds. `open_index` opens an index of any backend as a `VectorIndex`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
