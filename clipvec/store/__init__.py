"""The store: embeddings in Parquet, one folder a shard, the source of truth for every index.

<store>/store.json                       fingerprint of what made the vectors
<store>/shard-00012/part-00000.parquet   rows
<store>/shard-00012/rejects.parquet      what could not be embedded, and why
<store>/shard-00012/done.json            written last: the commit mark
"""

from clipvec.store.fingerprint import Fingerprint, Golden, ModelPrint
from clipvec.store.folder import Folder
from clipvec.store.schema import EMBEDDING, Row, matrix, part_schema
from clipvec.store.shard import Done, Part, ShardWriter
from clipvec.store.store import Store

__all__ = [
    "EMBEDDING",
    "Done",
    "Fingerprint",
    "Folder",
    "Golden",
    "ModelPrint",
    "Part",
    "Row",
    "ShardWriter",
    "Store",
    "matrix",
    "part_schema",
]
