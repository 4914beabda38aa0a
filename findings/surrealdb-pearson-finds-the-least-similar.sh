#!/usr/bin/env bash
# SurrealDB: nearest neighbours by PEARSON are the rows with the lowest correlation.
#
# Versions: surrealdb 2.0.0 (Python; its embedded engine is surrealdb-core 2.3.10), numpy 2.4.2.
# Guess: `v <|5,PEARSON|> $q` and an HNSW index of `DIST PEARSON` give the five rows that correlate best with
#   the query, the row itself first, and vector::distance::knn() is a distance, such as 1 minus
#   the correlation, as it is 1 minus the cosine with COSINE.
# Seen: the correlation itself is taken for the distance, and the smallest are kept: the exact search
#   gives the five rows with the lowest correlation, -0.91 to -0.75, and never the row itself. The
#   index gives others of negative correlation, since its graph links each row to what is unlike it.
#   COSINE, EUCLIDEAN, MANHATTAN and CHEBYSHEV are right. surrealdb 3.0.0b10 (surrealdb-core 3.2.4) is the same.
# Matters: centred embeddings are compared by correlation; the answer is the reverse of a ranking.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet surrealdb==2.0.0 numpy==2.4.2
"$folder/venv/bin/python" - <<'PY'
import numpy as np
from surrealdb import Surreal

rows = np.random.default_rng(0).standard_normal((200, 8))
query = rows[0] + 0.01
correlations = np.array([np.corrcoef(row, query)[0, 1] for row in rows])
cosines = rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)

with Surreal("mem://") as database:
    database.use("test", "test")
    for number, row in enumerate(rows):
        values = {"number": number, "vector": row.tolist()}
        database.query("CREATE rows SET number = $number, vector = $vector", values)

    def search(operator):
        found = database.query(
            "SELECT number, vector::distance::knn() AS distance FROM rows"
            f" WHERE vector <|5,{operator}|> $query ORDER BY distance",
            {"query": query.tolist()},
        )
        return [row["number"] for row in found], [row["distance"] for row in found]

    ids, distances = search("PEARSON")
    print("exact, PEARSON:", ids, np.round(distances, 2))
    print("best correlations:", np.sort(correlations)[::-1][:5].round(2))
    assert set(ids) == set(np.argsort(correlations)[:5])
    assert np.allclose(distances, correlations[ids])
    ids, distances = search("COSINE")
    assert set(ids) == set(np.argsort(-cosines)[:5]) and np.allclose(distances, 1 - cosines[ids])

    database.query("DEFINE INDEX near ON rows FIELDS vector HNSW DIMENSION 8 DIST PEARSON")
    ids, distances = search("100")
    print("index, PEARSON:", ids, np.round(distances, 2))
    assert len(ids) == 5 and max(correlations[ids]) < 0 and np.allclose(distances, correlations[ids])
PY
