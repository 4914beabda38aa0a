#!/usr/bin/env bash
# FAISS: range search on lists of fast-scan RaBitQ codes compares something else than distances.
#
# Versions: faiss-cpu 1.15.1, numpy 2.4.2.
# Guess: `range_search(x, r)` on IVF16,RaBitQfs returns the rows that `search` gives a distance below r,
#   with those distances, as it does on IVF16,RaBitQ and on IVF16,PQ32x4fs; or it raises, as it does on
#   RaBitQfs without lists.
# Seen: with L2 and a radius of 0.2, `search` has 49 rows in range and `range_search` returns 329,000 of
#   384,000, none of the 49 among them, with squared distances down to -0.8. With inner products it
#   returns 17,500 rows above 0.9 for 49, at most 1.55 for unit vectors. RaBitQfs8 gives the same rows:
#   its further seven bits a number are not looked at. Nothing is raised.
# Matters: range search finds duplicates and applies thresholds; RaBitQfs is what one takes in place of
#   RaBitQ for speed, and `search` on it is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet faiss-cpu==1.15.1 numpy==2.4.2
OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PY'
import faiss
import numpy as np

rng = np.random.default_rng(0)
rows = rng.standard_normal((6000, 64)).astype(np.float32)
faiss.normalize_L2(rows)
queries = rows[:64] + 0.05 * rng.standard_normal((64, 64)).astype(np.float32)
faiss.normalize_L2(queries)


def compare(codes: str, metric: int, radius: float):
    """Return the (query, row) pairs in range by search, by range_search, and the latter's values."""
    index = faiss.index_factory(64, f"IVF16,{codes}", metric)
    index.train(rows)
    index.add(rows)
    index.nprobe = 16
    values, ids = index.search(queries, len(rows))
    near = values < radius if metric == faiss.METRIC_L2 else values > radius
    searched = {(query, ids[query, at]) for query, at in np.argwhere(near)}
    ends, values, ids = index.range_search(queries, radius)
    ranged = set(zip(np.repeat(np.arange(64), np.diff(ends.astype(int))), ids))
    name = "L2" if metric == faiss.METRIC_L2 else "IP"
    common = len(searched & ranged)
    print(
        f"{codes}, {name}, {radius}: search {len(searched)}, range_search {len(ranged)}, both {common},"
        f" values {values.min():.2f} to {values.max():.2f}"
    )
    return searched, ranged, values


for metric, radius in ((faiss.METRIC_L2, 0.2), (faiss.METRIC_INNER_PRODUCT, 0.9)):
    searched, ranged, _ = compare("RaBitQ", metric, radius)
    assert searched == ranged
    one = compare("RaBitQfs", metric, radius)
    eight = compare("RaBitQfs8", metric, radius)
    for searched, ranged, _ in (one, eight):
        assert len(searched) < 100 and len(ranged) > 10_000
    assert one[1] == eight[1] and (one[2] == eight[2]).all()
    if metric == faiss.METRIC_L2:
        assert one[2].min() < -0.5 and not one[0] & one[1]
    else:
        assert one[2].max() > 1.4
_, ranged, _ = compare("PQ32x4fs", faiss.METRIC_L2, 0.2)
assert len(ranged) < 100
PY
