#!/usr/bin/env bash
# LanceDB: hybrid search gives the one row that has the searched word the same score as rows without it.
#
# Versions: lancedb 0.40.0, pyarrow 26.0.1, numpy 2.4.2.
# Guess: with LinearCombinationReranker(weight=w), where w is the weight of the vector's score, the row that
#   alone holds a rare word gets the full 1 - w of the keyword part; with w = 0 it is first.
# Seen: it gets 0. Keyword scores are scaled to 0..1 by their minimum and maximum first, and where these are
#   the same, as for one hit, each becomes 0 ("we at least want the scores to be 0",
#   _normalize_scores in lancedb/query.py); a row that was not found has 0 too (1 - fill). The row is
#   not among the ten results at any weight, not at w = 0 either, where all scores are 0. As
#   soon as another, worse row holds the word, the same row is first with 1 - w. normalize="rank"
#   does the same; the default reranker (RRF), which counts ranks, finds the row in both cases.
# Matters: a code, a name, a number that occurs once is what the keyword half of a hybrid search is for.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet lancedb==0.40.0 pyarrow==26.0.1 numpy==2.4.2
RUST_LOG=error LANCE_LOG=error "$folder/venv/bin/python" - "$folder/data" <<'PY'
import sys

import lancedb
import numpy as np
import pyarrow as pa
from lancedb.index import FTS
from lancedb.rerankers import LinearCombinationReranker, RRFReranker

vectors = np.random.default_rng(0).standard_normal((50, 16)).astype(np.float32)
database = lancedb.connect(sys.argv[1])
tables = {}
for holders in (1, 2):
    texts = [f"pear number {i}" for i in range(50)]
    texts[41] = "zebra"
    if holders == 2:
        texts[7] = "zebra among a lot of other words"
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 16)
    rows = pa.table({"id": range(50), "text": texts, "vector": column})
    tables[holders] = database.create_table(f"holders_{holders}", rows)
    tables[holders].create_index("text", config=FTS())


def search(table, reranker, normalize="score"):
    query = table.search(query_type="hybrid").vector(vectors[3]).text("zebra")
    found = query.rerank(reranker, normalize=normalize).limit(10).to_arrow()
    return dict(zip(found["id"].to_pylist(), found["_relevance_score"].to_pylist()))


alone = tables[1].search("zebra", query_type="fts").to_arrow()
print("keyword search alone:", alone["id"].to_pylist(), alone["_score"].to_pylist())
assert alone["id"].to_pylist() == [41]
for weight in (0.0, 0.3, 0.5):
    for normalize in ("score", "rank"):
        one, two = (
            search(tables[holders], LinearCombinationReranker(weight), normalize)
            for holders in (1, 2)
        )
        print(f"weight {weight}, {normalize}: one hit {41 in one}, two hits {two.get(41):.2f}")
        assert 41 not in one and abs(two[41] - (1 - weight)) < 1e-6
        assert max(one.values()) <= weight + 1e-6
assert all(41 in search(table, RRFReranker()) for table in tables.values())
PY
