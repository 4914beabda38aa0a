"""The store: embeddings in Parquet, one folder per shard, the source of truth for every index.

<store>/store.json                       fingerprint of what made the vectors
<store>/shard-00012/part-00000.parquet   rows
<store>/shard-00012/rejects.parquet      images that could not be embedded, and why
<store>/shard-00012/done.json            commit marker, written last
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
