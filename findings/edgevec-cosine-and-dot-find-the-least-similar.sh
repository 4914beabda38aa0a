#!/usr/bin/env bash
# EdgeVec: with metric "cosine" or "dot" the rows that come first are those with the most negative products.
#
# Version: edgevec 0.9.0 (npm).
# Guess: `config.metric = "cosine"` ranks by cosine and "dot" by dot product, best first: the types say "Cosine
#   similarity (converted to distance)", "Dot product (converted to distance)". A row finds itself.
# Seen: both sort by the plain dot product, ascending: "cosine" gives the ids and scores of "dot" whatever
#   the lengths of the rows, and no row of 500 finds itself. Of the ten rows with the largest cosines
#   none is found; the first result for a row is one that points away from it, with a negative score.
#   The graph is built by the same distance, so that not even the ten least similar are found
#   reliably. "l2", the default, is right; for unit vectors it has the order of the cosine.
# Matters: both names are accepted, k rows come back, sorted by a score that rises as a distance does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts edgevec@0.9.0 >npm.log
cat >metrics.mjs <<'JS'
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import init, { EdgeVec, EdgeVecConfig } from "edgevec";

await init({ module_or_path: readFileSync("node_modules/edgevec/edgevec_bg.wasm") });
let state = 1;
function uniform() {
  state = (state * 48271) % 2147483647;
  return state / 2147483647;
}
const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
const rows = Array.from({ length: 500 }, () => {
  const length = 0.5 + 3 * uniform();
  return Float32Array.from({ length: 16 }, () => length * normal());
});
const dot = (a, b) => a.reduce((sum, x, place) => sum + x * b[place], 0);
const distances = {
  l2: (a, b) => a.reduce((sum, x, place) => sum + (x - b[place]) ** 2, 0),
  cosine: (a, b) => -dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)),
  dot: (a, b) => -dot(a, b),
};

function measure(metric) {
  const config = new EdgeVecConfig(16);
  config.metric = metric;
  const index = new EdgeVec(config);
  const places = new Map(rows.map((row, n) => [index.insert(row), n]));
  let hits = 0;
  let own = 0;
  const answers = [];
  for (const [n, query] of rows.slice(0, 50).entries()) {
    const ranked = rows.map((row, n) => [distances[metric](row, query), n]);
    ranked.sort((a, b) => a[0] - b[0]);
    const best = new Set(ranked.slice(0, 10).map(([, n]) => n));
    const found = index.search(query, 10);
    const products = found.map(({ id, score }) => [score, dot(rows[places.get(id)], query)]);
    hits += found.filter(({ id }) => best.has(places.get(id))).length;
    own += places.get(found[0].id) === n;
    answers.push(products);
  }
  const [score, product] = answers[0][0];
  console.log(`${metric}: recall@10 ${hits / 500}, ${own} of 50 rows find themselves first;`);
  console.log(`  the first result has score ${score.toFixed(3)}, product ${product.toFixed(3)}`);
  return { recall: hits / 500, own, answers };
}
const l2 = measure("l2");
assert.ok(l2.recall > 0.9 && l2.own === 50);
const [cosine, product] = [measure("cosine"), measure("dot")];
for (const { recall, own, answers } of [cosine, product]) {
  assert.ok(recall < 0.05 && own === 0);
  for (const [score, truth] of answers.flat()) assert.ok(Math.abs(score - truth) < 0.001);
  for (const found of answers) assert.ok(found[0][0] < 0 && found[0][0] <= found[9][0]);
}
assert.deepEqual(cosine.answers, product.answers);
JS
node --no-warnings metrics.mjs
