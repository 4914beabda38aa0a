#!/usr/bin/env bash
# FAISS: search parameters that only carry a filter also reset nprobe and efSearch.
#
# Versions: faiss-cpu 1.15.1, numpy 2.4.2.
# Guess: SearchParametersIVF(sel=...) and SearchParametersHNSW(sel=...) add a filter and leave the
#   nprobe and efSearch set on the index alone.
# Seen: a fresh parameters object has nprobe 1 and efSearch 16, which override the index's. A selector
#   that admits every row takes recall@10 from 0.92 to 0.16 (IVF, nprobe 64) and from 0.97 to 0.67
#   (HNSW, efSearch 256). The base class SearchParameters(sel=...) keeps efSearch with HNSW; IVF
#   rejects it.
# Workaround: set nprobe or efSearch on the parameters object of every filtered search.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet faiss-cpu==1.15.1 numpy==2.4.2
OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PY'
import faiss
import numpy as np

rng = np.random.default_rng(0)
rows = rng.standard_normal((20_000, 64)).astype(np.float32)
faiss.normalize_L2(rows)
queries = rows[:200] + 0.3 * rng.standard_normal((200, 64)).astype(np.float32) / 8
faiss.normalize_L2(queries)
flat = faiss.IndexFlatIP(64)
flat.add(rows)
exact = flat.search(queries, 10)[1]
everything = faiss.IDSelectorRange(0, len(rows))


def recall(index, params=None):
    found = index.search(queries, 10, params=params)[1]
    return np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, exact)])


ivf = faiss.index_factory(64, "IVF128,Flat", faiss.METRIC_INNER_PRODUCT)
ivf.train(rows)
ivf.add(rows)
ivf.nprobe = 64
hnsw = faiss.IndexHNSWFlat(64, 16, faiss.METRIC_INNER_PRODUCT)
hnsw.add(rows)
hnsw.hnsw.efSearch = 256

plain, filtered = recall(ivf), recall(ivf, faiss.SearchParametersIVF(sel=everything))
print(f"IVF: recall@10 {plain:.3f}, with a selector of all rows {filtered:.3f}")
assert faiss.SearchParametersIVF().nprobe == 1
assert plain > 0.9 and filtered < 0.25
wide = recall(ivf, faiss.SearchParametersIVF(sel=everything, nprobe=64))
assert wide == plain

plain, filtered = recall(hnsw), recall(hnsw, faiss.SearchParametersHNSW(sel=everything))
print(f"HNSW: recall@10 {plain:.3f}, with a selector of all rows {filtered:.3f}")
assert faiss.SearchParametersHNSW().efSearch == 16
assert plain > 0.95 and filtered < 0.75
assert recall(hnsw, faiss.SearchParameters(sel=everything)) == plain
try:
    recall(ivf, faiss.SearchParameters(sel=everything))
except RuntimeError:
    print("IVF rejects the base class of search parameters")
else:
    raise AssertionError("IVF accepted the base class of search parameters")
PY
