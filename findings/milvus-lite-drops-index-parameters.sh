#!/usr/bin/env bash
# Milvus Lite: nlist, M and efConstruction given to MilvusClient are dropped, and defaults are built.
#
# Versions: milvus-lite 3.2.2, pymilvus 3.0.2, faiss-cpu 1.15.1, numpy 2.4.2.
# Guess: `add_index(..., params={"nlist": 1})` builds one list, so that any nprobe is an exact search.
# Seen: 2,000 rows are cut into 128 lists, and nprobe 1 finds 12 rows of 2,000. `describe_index` shows
#   no parameters. MilvusClient sends each one under a key of its own ("nlist": 1); Milvus Lite 3 reads
#   one JSON text under "params" and ignores other keys (kv_pairs_to_index_params_dict in
#   milvus_lite/adapter/grpc/translators/index.py). Collection.create_index, which pymilvus 3 calls
#   deprecated, sends that text, and its parameters arrive.
# Matters: a sweep of index parameters on a laptop measures one and the same index, and what is chosen
#   there goes to a server, to which they matter.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet \
  milvus-lite==3.2.2 pymilvus==3.0.2 faiss-cpu==1.15.1 numpy==2.4.2
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - "$folder/data.db" <<'PY'
import sys

import numpy as np
from pymilvus import Collection, DataType, MilvusClient, connections

rows = np.random.default_rng(0).standard_normal((2000, 16)).astype(np.float32)
client = MilvusClient(sys.argv[1])
connections.connect("older", uri=sys.argv[1])


def by_client(name):
    index = client.prepare_index_params()
    index.add_index("vector", index_type="IVF_FLAT", metric_type="L2", params={"nlist": 1})
    client.create_index(name, index)


def by_collection(name):
    index = {"index_type": "IVF_FLAT", "metric_type": "L2", "params": {"nlist": 1}}
    Collection(name, using="older").create_index("vector", index)


seen = {}
for create in (by_client, by_collection):
    name = create.__name__
    schema = client.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=16)
    client.create_collection(name, schema=schema)
    client.insert(name, [{"id": at, "vector": row.tolist()} for at, row in enumerate(rows)])
    client.flush(name)
    create(name)
    client.load_collection(name)
    search = {"params": {"nprobe": 1}}
    found = client.search(name, [rows[0].tolist()], limit=2000, search_params=search)[0]
    described = client.describe_index(name, "vector")
    assert described["indexed_rows"] == 2000
    seen[name] = len(found), described.get("params")
    print(f"{name}: of 2000 rows nprobe 1 finds {len(found)}; parameters: {seen[name][1]}")
assert seen["by_client"][0] < 100 and seen["by_client"][1] is None
assert seen["by_collection"] == (2000, {"nlist": 1})
PY
