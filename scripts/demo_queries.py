"""What scripts/demo asks of the sample: some queries, and how many captions find their picture.

python scripts/demo_queries.py        after embed and index with experiment=demo
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq

from clipvec import model, paths
from clipvec.config import ChromaConfig
from clipvec.index import Term, VectorIndex, open_index, query_vector
from clipvec.search import results

if TYPE_CHECKING:
    from clipvec.model import Encoder

INDEX = ChromaConfig(path="data/index")
TEXTS = ("a red fruit", "an insect", "a musical instrument", "a flying machine")
RANKS = (1, 5, 10)


def main() -> None:
    """Print the answers."""
    with open_index(INDEX, paths.collection_name("sample", "sample")) as collection:
        encoder = model.load_encoder(collection.model_config)
        for text in TEXTS:
            print(f'\nclipvec-search "{text}" -k 5')
            results.print_table(collection.query(query_vector([Term(text)], encoder), 5))
        show_image_query(collection, encoder)
        show_recall(collection, encoder)


def show_image_query(collection: VectorIndex, encoder: Encoder) -> None:
    """Search with the thumbnail of one of the pictures, saved as a file."""
    (hit,) = collection.query(query_vector([Term("a parrot")], encoder), 1)
    (thumbnail,) = collection.thumbnails([hit])
    assert thumbnail is not None
    Path("data/query.jpg").write_bytes(thumbnail)
    print(f"\nclipvec-search --image data/query.jpg -k 5        ({hit.caption})")
    term = Term("data/query.jpg", image=thumbnail)
    results.print_table(collection.query(query_vector([term], encoder), 5))


def show_recall(collection: VectorIndex, encoder: Encoder) -> None:
    """Use every caption as a query; it is right when a picture with that caption comes back."""
    parts = sorted(Path(collection.info.store).glob("shard-*/part-*.parquet"))
    table = pq.read_table(parts, columns=["caption"])
    held = Counter(caption for caption in table["caption"].to_pylist() if caption)
    captions = sorted(held)
    found = collection.query_many(encoder.encode_texts(captions), max(RANKS))
    ranks = [
        next((i for i, hit in enumerate(hits) if hit.caption == caption), math.inf)
        for caption, hits in zip(captions, found, strict=True)
    ]
    print(f"\n{len(captions)} captions as queries over {table.num_rows} pictures:")
    for k in RANKS:
        chance = np.mean([by_chance(held[caption], table.num_rows, k) for caption in captions])
        print(f"recall@{k}: {np.mean([rank < k for rank in ranks]):.1%} (chance {chance:.1%})")


def by_chance(right: int, rows: int, k: int) -> float:
    """Return the probability that k random rows hold at least one of the right ones."""
    return 1 - math.comb(rows - right, k) / math.comb(rows, k)


if __name__ == "__main__":
    main()
