#!/usr/bin/env bash
# Orama: a hybrid weight of 0 for text or for the vector gives both a weight of 0.5.
#
# Version: @orama/orama 3.1.18 (npm).
# Guess: `hybridWeights: { text: 0, vector: 1 }` ranks by the vectors alone, as 0.001 and 0.999 nearly do.
# Seen: scores and order are those of 0.5 and 0.5: `hybridWeights.text && hybridWeights.vector` decides
#   whether there are weights (mergeAndRankResults in methods/search-hybrid.js), and 0 is
#   false. The other end, { text: 1, vector: 0 }, gives the very same answer.
# Matters: a sweep of the weight from 0 to 1 jumps at both ends, and the ends, which one takes for pure
#   vector search and pure keyword search, are alike.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts @orama/orama@3.1.18 >npm.log
cat >weights.mjs <<'JS'
import assert from "node:assert/strict";
import { create, insertMultiple, search } from "@orama/orama";

const angles = [...Array(20).keys()].map((i) => (i * Math.PI) / 40);
const rows = angles.map((angle, i) => ({
  id: String(i),
  text: i === 10 ? "zebra" : "pear",
  vector: [Math.cos(angle), Math.sin(angle)],
}));
const database = create({ schema: { text: "string", vector: "vector[2]" } });
await insertMultiple(database, rows);

async function ranking(hybridWeights) {
  const { hits } = await search(database, {
    mode: "hybrid",
    term: "zebra",
    vector: { value: [1, 0], property: "vector" },
    similarity: 0,
    hybridWeights,
  });
  const found = hits.map(({ id, score }) => [id, Number(score.toFixed(3))]);
  console.log(JSON.stringify(hybridWeights), JSON.stringify(found.slice(0, 4)));
  return found;
}

const half = await ranking({ text: 0.5, vector: 0.5 });
assert.equal(half[0][0], "10");
assert.deepEqual(await ranking({ text: 0, vector: 1 }), half);
assert.deepEqual(await ranking({ text: 1, vector: 0 }), half);
const nearly = await ranking({ text: 0.001, vector: 0.999 });
assert.deepEqual(nearly.slice(0, 2).map(([id]) => id), ["0", "1"]);
JS
node weights.mjs
