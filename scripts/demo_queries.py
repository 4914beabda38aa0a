"""The queries of scripts/demo: a few examples, and how many captions find their image.

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
    """Print the results."""
    with open_index(INDEX, paths.collection_name("sample", "sample")) as collection:
        encoder = model.load_encoder(collection.model_config)
        for text in TEXTS:
            print(f'\nclipvec search "{text}" -k 5')
            results.print_table(collection.query(query_vector([Term(text)], encoder), 5))
        show_image_query(collection, encoder)
        show_recall(collection, encoder)


def show_image_query(collection: VectorIndex, encoder: Encoder) -> None:
    """Search with the thumbnail of one of the images, saved as a file."""
    (hit,) = collection.query(query_vector([Term("a parrot")], encoder), 1)
    thumbnail = collection.thumbnails([hit])[hit.key]
    assert thumbnail is not None
    Path("data/query.jpg").write_bytes(thumbnail)
    print(f"\nclipvec search --image data/query.jpg -k 5        ({hit.caption})")
    term = Term("data/query.jpg", image=thumbnail)
    results.print_table(collection.query(query_vector([term], encoder), 5))


def show_recall(collection: VectorIndex, encoder: Encoder) -> None:
    """Use every caption as a query; an image with that caption is a correct result."""
    parts = sorted(Path(collection.info.store).glob("shard-*/part-*.parquet"))
    table = pq.read_table(parts, columns=["caption"])
    counts = Counter(caption for caption in table["caption"].to_pylist() if caption)
    captions = sorted(counts)
    rankings = collection.query_many(encoder.encode_texts(captions), max(RANKS))
    ranks = [
        next((i for i, hit in enumerate(hits) if hit.caption == caption), math.inf)
        for caption, hits in zip(captions, rankings, strict=True)
    ]
    print(f"\n{len(captions)} captions as queries over {table.num_rows} images:")
    for k in RANKS:
        chance = np.mean([chance_level(counts[text], table.num_rows, k) for text in captions])
        print(f"recall@{k}: {np.mean([rank < k for rank in ranks]):.1%} (chance {chance:.1%})")


def chance_level(relevant: int, rows: int, k: int) -> float:
    """Return the probability that k random rows contain at least one relevant row."""
    return 1 - math.comb(rows - relevant, k) / math.comb(rows, k)


if __name__ == "__main__":
    main()
