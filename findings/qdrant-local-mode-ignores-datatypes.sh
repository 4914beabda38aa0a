#!/usr/bin/env bash
# qdrant-client: local mode accepts a collection's datatype but stores plain floats.
#
# Versions: qdrant-client 1.20.0.
# Guess: QdrantClient(":memory:") rounds or rejects values that do not fit Datatype.UINT8 or FLOAT16, in
#   line with the collection's datatype and with what a server stores.
# Seen: a UINT8 vector comes back with -1.5, 300 and 0.75, a FLOAT16 vector with 70,000 (the largest half
#   float is 65,504): nothing is converted, and there is no warning.
# Matters: recall and overflow measured in local mode say nothing about a server that uses datatypes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet qdrant-client==1.20.0
"$folder/venv/bin/python" - <<'PY'
import warnings

from qdrant_client import QdrantClient, models

warnings.simplefilter("error")
client = QdrantClient(":memory:")
for name, datatype, vector in (
    ("bytes", models.Datatype.UINT8, [-1.5, 300.0, 0.75, 1.0]),
    ("halves", models.Datatype.FLOAT16, [70_000.0, 0.5, 0.0, 1.0]),
):
    params = models.VectorParams(size=4, distance=models.Distance.DOT, datatype=datatype)
    client.create_collection(name, vectors_config=params)
    client.upsert(name, [models.PointStruct(id=1, vector=vector)])
    stored = client.retrieve(name, [1], with_vectors=True)[0].vector
    print(name, stored)
    assert stored == vector
PY
