#!/usr/bin/env bash
# ruvector: by dot product every row has the score 0, and any rows are returned.
#
# Versions: ruvector 0.3.2 with @ruvector/core 0.1.32 (npm).
# Guess: `distanceMetric: "dot"` finds most of the rows with the largest dot products; its scores are the
#   products, their negation or one minus them.
# Seen: the score of each result is 0, and the results are hardly better than ten rows drawn by chance:
#   recall@10 is 0.04 of 500 rows. Lengths do not matter: it is the same for unit vectors, for which the
#   README recommends it ("best for pre-normalized vectors"). "cosine" finds all for the same unit vectors.
# Known: issue 1009 has a reversed DotProduct in another crate, ruvector-router-core; this is not its
#   order but a constant.
# Matters: k results come back, each "at distance 0", so that nothing looks wrong.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts ruvector@0.3.2 @ruvector/core@0.1.32 >npm.log
cat >dot.cjs <<'JS'
const assert = require("node:assert/strict");
const { VectorDb } = require("ruvector");

let state = 1;
function uniform() {
  state = (state * 48271) % 2147483647;
  return state / 2147483647;
}
const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
function vector(norm) {
  const numbers = Array.from({ length: 16 }, normal);
  return Float32Array.from(numbers, (x) => (norm * x) / Math.hypot(...numbers));
}
const dot = (a, b) => a.reduce((sum, x, place) => sum + x * b[place], 0);

async function search(name, distanceMetric, longest) {
  const rows = Array.from({ length: 500 }, () => vector(1 + uniform() * (longest - 1)));
  const db = new VectorDb({ dimensions: 16, distanceMetric, storagePath: `${name}.db` });
  await db.insertBatch(rows.map((row, n) => ({ id: `${n}`, vector: row })));
  let hits = 0;
  const scores = [];
  for (let turn = 0; turn < 20; turn++) {
    const query = vector(1);
    const best = rows.map((row, n) => [dot(row, query), n]).sort((a, b) => b[0] - a[0]);
    const ids = new Set(best.slice(0, 10).map(([, n]) => `${n}`));
    const found = await db.search({ vector: query, k: 10 });
    assert.equal(found.length, 10);
    hits += found.filter(({ id }) => ids.has(id)).length;
    scores.push(...found.map(({ score }) => score));
  }
  const recall = hits / scores.length;
  console.log(`${name}: recall@10 ${recall}, ${new Set(scores).size} different scores`);
  return [recall, new Set(scores)];
}

(async () => {
  const [right] = await search("unit-cosine", "cosine", 1);
  assert.ok(right > 0.95);
  for (const [name, longest] of [["unit-dot", 1], ["long-dot", 5]]) {
    const [recall, scores] = await search(name, "dot", longest);
    assert.ok(recall < 0.2);
    assert.deepEqual([...scores], [0]);
  }
})();
JS
node dot.cjs
