#!/usr/bin/env bash
# Voy: of a vector with more than 768 numbers the first 768 are kept, in the index and in queries.
#
# Version: voy-search 0.6.3 (npm).
# Guess: embeddings of 1,024 or 1,536 numbers are searched by all of them, or refused.
# Seen: whatever comes after the 768th number is dropped without an error. Of rows of 1,024 random numbers
#   the ten nearest are found with recall 0.6 (an exact search; 1.0 with 768), and of 50 rows
#   that are nearly equal up to the 768th number and far apart behind it the right one is first for one
#   or two queries of 50. The README and the types give no limit (`embeddings: number[]`).
# Matters: 768 is the size of one family of models; those with 1,024 (CLIP and SigLIP of size L, E5, BGE),
#   1,152 or 1,536 lose a quarter to a half of their vector.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts voy-search@0.6.3 >npm.log
# The package is made for bundlers; Node loads its two files by hand.
cp node_modules/voy-search/voy_search_bg.js voy.mjs
cat >sizes.mjs <<'JS'
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as voy from "./voy.mjs";

const code = readFileSync("node_modules/voy-search/voy_search_bg.wasm");
const { instance } = await WebAssembly.instantiate(code, { "./voy_search_bg.js": voy });
voy.__wbg_set_wasm(instance.exports);

let state = 1;
function uniform() {
  state = (state * 48271) % 2147483647;
  return state / 2147483647 - 0.5;
}
const vector = (length) => Array.from({ length }, uniform);
const index = (rows) =>
  new voy.Voy({
    embeddings: rows.map((embeddings, n) => ({ id: `${n}`, title: "", url: "", embeddings })),
  });
const search = (made, query, k) =>
  made.search(Float32Array.from(query), k).neighbors.map(({ id }) => Number(id));
const distance = (a, b) => a.reduce((sum, x, place) => sum + (x - b[place]) ** 2, 0);

function recall(size) {
  const rows = Array.from({ length: 300 }, () => vector(size));
  const made = index(rows);
  let hits = 0;
  for (let turn = 0; turn < 10; turn++) {
    const query = vector(size);
    const best = rows.map((row, n) => [distance(row, query), n]).sort((a, b) => a[0] - b[0]);
    const ids = new Set(best.slice(0, 10).map(([, n]) => n));
    hits += search(made, query, 10).filter((n) => ids.has(n)).length;
  }
  console.log(`${size} numbers: recall@10 ${hits / 100}`);
  return hits / 100;
}
assert.equal(recall(768), 1);
const larger = recall(1024);
assert.ok(larger > 0.3 && larger < 0.9);

// Fifty rows that are nearly equal up to the 768th number and far apart behind it.
const head = vector(768);
const near = () => head.map((x) => x + 0.001 * uniform());
const rows = Array.from({ length: 50 }, () => [...near(), ...vector(256)]);
const made = index(rows);
const right = rows.filter((row, n) => search(made, [...near(), ...row.slice(768)], 1)[0] === n);
console.log(`right rows, where only the numbers behind the 768th differ: ${right.length} of 50`);
assert.ok(right.length < 10);
JS
node --no-warnings sizes.mjs
