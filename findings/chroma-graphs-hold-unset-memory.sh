#!/usr/bin/env bash
# Chroma: a graph's file holds memory that was never set, such as pages of another database.
#
# Versions: chromadb 1.5.9, numpy 2.4.6; glibc 2.36.
# Guess: `data_level0.bin` of a collection holds the vectors that were added, and zeros where there is
#   room for more.
# Seen: room for 100 vectors is written as it lies in memory. With MALLOC_PERTURB_=1, by which glibc
#   fills what it allocates with the byte 254, the file is full of that byte; without it, what the
#   process has freed is in it: of 24 collections built after another one was read, three had ids of
#   that one in their file.
# Matters: bytes of rows that were deleted, or of other people's collections, end in files of a
#   collection that never had them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet chromadb==1.5.9 numpy==2.4.6
ANONYMIZED_TELEMETRY=False MALLOC_PERTURB_=1 "$folder/venv/bin/python" - "$folder/data" <<'PY'
import sys
from pathlib import Path

import chromadb
import numpy as np

client = chromadb.PersistentClient(sys.argv[1])
rows = client.create_collection("rows")
vectors = np.random.default_rng(0).normal(size=(107, 16))
rows.add(ids=[f"row-{number}" for number in range(107)], embeddings=vectors)
assert rows.count() == 107
rows.query(query_embeddings=vectors[:1], n_results=1)
client.close()
(file,) = Path(sys.argv[1]).rglob("data_level0.bin")
held = file.read_bytes()
print(f"{len(held)} bytes, {held.count(254)} of them 254, which nobody wrote")
assert held.count(254) > len(held) / 2
PY
