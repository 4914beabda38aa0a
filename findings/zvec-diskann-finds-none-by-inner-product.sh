#!/usr/bin/env bash
# zvec: by inner product a DiskANN index of long vectors finds none of the best once it is built.
#
# Versions: zvec 0.8.0, numpy 2.4.6.
# Guess: DiskAnnIndexParam with its default metric, IP, finds most of the rows with the largest inner products,
#   as Hnsw, Flat, IVF and Vamana do; multiplying all rows by a number changes no ranking and no recall.
# Seen: of 1,000 rows with lengths up to 3, 97 of 100 are found; of the same rows, six times as long, 1 of 100.
#   The scores are true inner products, of other rows. Before `optimize` builds the graph, while rows are
#   compared one by one, all are found, and Hnsw finds them before and after. L2 and COSINE are right
#   for rows of such lengths, too (tried by hand), and so is IP for unit vectors.
# Matters: it works as long as one tries it out, and is wrong from the first `optimize` on; embeddings
#   that a model does not normalise have lengths of 5 to 50, and IP is the default.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet zvec==0.8.0 numpy==2.4.6
cat >"$folder/diskann.py" <<'PY'
import sys

import numpy as np
import zvec

random = np.random.default_rng(0)
directions = random.normal(size=(1000, 32))
directions /= np.linalg.norm(directions, axis=1, keepdims=True)
lengths = random.uniform(0.2, 3, (1000, 1))
queries = random.normal(size=(20, 32)).astype(np.float32)


def recalls(name: str, rows: np.ndarray, parameters: object) -> list[float]:
    """Return recall@10 by inner product before and after optimize."""
    vectors = zvec.VectorSchema("v", zvec.DataType.VECTOR_FP32, 32, parameters)
    fields = [zvec.FieldSchema("n", zvec.DataType.INT64)]
    schema = zvec.CollectionSchema("rows", fields=fields, vectors=[vectors])
    collection = zvec.create_and_open(f"{sys.argv[1]}/{name}", schema)
    collection.insert(
        [
            zvec.Doc(id=str(number), fields={"n": number}, vectors={"v": row.tolist()})
            for number, row in enumerate(rows)
        ]
    )
    found = []
    for optimise in (False, True):
        if optimise:
            collection.optimize()
        hits = 0
        for query in queries:
            answer = collection.query(queries=zvec.Query("v", vector=query.tolist()), topk=10)
            best = set(np.argsort(-(rows @ query))[:10].tolist())
            hits += len(best & {int(row.id) for row in answer})
            for row in answer:
                assert abs(row.score - rows[int(row.id)] @ query) < 0.01
        found.append(hits / 10 / len(queries))
    print(f"{name}: recall@10 {found[0]:.2f} before optimize, {found[1]:.2f} after it")
    return found


ip = zvec.MetricType.IP
short = (directions * lengths).astype(np.float32)
graph = recalls("hnsw_long", short * 6, zvec.HnswIndexParam(metric_type=ip))
near = recalls("diskann_short", short, zvec.DiskAnnIndexParam(metric_type=ip))
far = recalls("diskann_long", short * 6, zvec.DiskAnnIndexParam(metric_type=ip))
assert min(*graph, *near, far[0]) > 0.9
assert far[1] < 0.2
PY
"$folder/venv/bin/python" "$folder/diskann.py" "$folder"
