#!/usr/bin/env bash
# Chroma: a second client of a folder answers from the graph that the first one loaded.
#
# Versions: chromadb 1.5.9, numpy 2.4.6.
# Guess: a client that is opened after another process has added rows finds them.
# Seen: while any client of that path is open in a process, all new ones are it: the count comes from
#   the database and is right, the nearest rows come from the graph as it was loaded first. By another
#   spelling of the path, such as a "/." behind it, a client has a graph of its own and finds them. It
#   is the same where another folder was renamed to the path.
# Matters: a service that opens an index again beside the one in use would serve the old rows.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet chromadb==1.5.9 numpy==2.4.6
ANONYMIZED_TELEMETRY=False "$folder/venv/bin/python" - "$folder/data" <<'PY'
import subprocess
import sys

import chromadb
import numpy as np

ADD = """
import sys, chromadb, numpy as np
client = chromadb.PersistentClient(sys.argv[1])
rows = client.get_or_create_collection("rows", embedding_function=None)
number = int(sys.argv[2])
vectors = np.random.default_rng(number).normal(size=(3000, 16))
rows.add(ids=[f"{number}/{i}" for i in range(3000)], embeddings=vectors)
client.close()
"""
path = sys.argv[1]


def add(number):
    subprocess.run([sys.executable, "-c", ADD, path, str(number)], check=True)


def opened(path):
    return chromadb.PersistentClient(path).get_collection("rows", embedding_function=None)


def nearest(rows, number):
    vector = np.random.default_rng(number).normal(size=(3000, 16))[7:8]
    return rows.query(query_embeddings=vector, n_results=1)["ids"][0][0]


add(0)
first = opened(path)
assert nearest(first, 0) == "0/7"
add(1)
second, third = opened(path), opened(f"{path}/.")
print(second.count(), nearest(second, 1), nearest(third, 1))
assert second.count() == 6000
assert nearest(second, 1) != "1/7"
assert nearest(third, 1) == "1/7"
PY
