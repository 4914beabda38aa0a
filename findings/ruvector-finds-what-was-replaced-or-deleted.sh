#!/usr/bin/env bash
# ruvector: a row that was replaced is found by its old vector, and once it is deleted it is found as well.
#
# Versions: ruvector 0.3.2 with @ruvector/core 0.1.32 (npm).
# Guess: `insert` with an id that exists replaces the row or raises; after `delete` no search returns it, and
#   a search for five of the five rows that are left returns five.
# Seen: `get` gives the new vector, the graph keeps both: a search for the old vector returns the id with
#   score 0 beside the new vector, at a distance of 35. After `delete`, `get` gives null and `len` is one
#   less, but the search still returns the id, now without a vector: one entry of the two is removed.
#   Deleted rows are taken out of the k nearest afterwards: with 45 of 50 rows deleted a search with
#   k=5 returns one row or none where five are left, and with k=50 four or five.
# Matters: an image that was embedded anew, or taken down, keeps being found for what it showed before.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts ruvector@0.3.2 @ruvector/core@0.1.32 >npm.log
cat >rows.cjs <<'JS'
const assert = require("node:assert/strict");
const { VectorDb } = require("ruvector");

(async () => {
  const db = new VectorDb({ dimensions: 2, distanceMetric: "euclidean", storagePath: "rows.db" });
  const rows = Array.from({ length: 50 }, (_, n) => ({ id: `${n}`, vector: [n, 0] }));
  await db.insertBatch(rows);
  await db.insert({ id: "5", vector: [40, 1] });
  assert.deepEqual([...(await db.get("5")).vector], [40, 1]);
  const nearest = async (x, y) => (await db.search({ vector: [x, y], k: 1 }))[0];
  for (const [x, y] of [[5, 0], [40, 1]]) {
    const { id, score, vector } = await nearest(x, y);
    console.log(`nearest to ${[x, y]}: row ${id} with vector ${[...vector]}, score ${score}`);
    assert.deepEqual([id, score, ...vector], ["5", 0, 40, 1]);
  }

  assert.equal(await db.delete("5"), true);
  assert.equal(await db.get("5"), null);
  assert.equal(await db.len(), 49);
  const ghosts = [];
  for (const vector of [[5, 0], [40, 1]]) ghosts.push(...(await db.search({ vector, k: 3 })));
  const found = ghosts.filter(({ id }) => id === "5");
  console.log(`after delete: ${JSON.stringify(found)}`);
  assert.equal(found.length, 1);
  assert.deepEqual([found[0].score, found[0].vector], [0, undefined]);

  for (let n = 0; n < 45; n++) if (n !== 5) await db.delete(`${n}`);
  const few = (await db.search({ vector: [20, 0], k: 5 })).length;
  const all = (await db.search({ vector: [20, 0], k: 50 })).filter(({ vector }) => vector).length;
  console.log(`of ${await db.len()} rows left k=5 finds ${few}, k=50 finds ${all}`);
  assert.equal(await db.len(), 5);
  assert.ok(few < 5);
})();
JS
node rows.cjs
