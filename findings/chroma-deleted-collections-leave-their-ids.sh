#!/usr/bin/env bash
# Chroma: the ids of a collection that was deleted stay in the files of its graph, after a vacuum too.
#
# Versions: chromadb 1.5.9, numpy 2.4.6.
# Guess: what a deleted collection had is in no file, at the latest after `chroma vacuum`.
# Seen: the folder of its graph stays, with all ids in `index_metadata.pickle`, and nothing names that
#   folder any more. The database has ids in unused pages, which the vacuum takes out.
# Matters: a row that somebody asked to be forgotten is in a file that no command removes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet chromadb==1.5.9 numpy==2.4.6
export ANONYMIZED_TELEMETRY=False
"$folder/venv/bin/python" - "$folder/data" <<'PY'
import sys

import chromadb
import numpy as np

client = chromadb.PersistentClient(sys.argv[1])
vectors = np.random.default_rng(0).normal(size=(3000, 16))
rows = client.create_collection("gone")
rows.add(ids=[f"forget-{number}" for number in range(3000)], embeddings=vectors)
rows.query(query_embeddings=vectors[:1], n_results=1)
client.delete_collection("gone")
client.close()
PY
"$folder/venv/bin/chroma" vacuum --path "$folder/data" --force >/dev/null
held=$(cd "$folder/data" && grep -rlF forget- .)
echo "$held"
[[ $held == ./*/index_metadata.pickle ]]
