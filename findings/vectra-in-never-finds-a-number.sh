#!/usr/bin/env bash
# Vectra: a filter by $in finds no number, $nin keeps the numbers it names and drops parts of words.
#
# Version: vectra 0.15.0 (npm).
# Guess: `{ year: { $in: [2020, 2021] } }` finds what `$eq` finds for one of them and `$nin` is the rest,
#   as in MongoDB and Pinecone, whose operators Vectra takes; its types say "In array (string or number)".
# Seen: $in with numbers finds nothing, and $nin with numbers drops nothing: 2020 is returned by
#   `$nin: [2020]`. Strings are compared with `includes` of each listed string: `$nin: ["cats"]` drops
#   the rows of "cats" and of "cat". $eq and $ne are right. (ItemSelector.metadataFilter, cases $in
#   and $nin: `typeof val == 'string' && val.includes(value)`.)
# Matters: a list of excluded ids, given as numbers, excludes none; what should be hidden is found.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts vectra@0.15.0 >npm.log
cat >filters.mjs <<'JS'
import assert from "node:assert/strict";
import { LocalIndex } from "vectra";

const index = new LocalIndex("index");
await index.createIndex({ version: 1 });
const rows = [
  { year: 2019, kind: "cat" },
  { year: 2020, kind: "cats" },
  { year: 2021, kind: "dog" },
];
for (const metadata of rows) await index.insertItem({ vector: [1, 2, 3], metadata });

async function years(filter) {
  const found = await index.queryItems([1, 2, 3], "", 10, filter);
  const result = found.map(({ item }) => item.metadata.year).sort();
  console.log(JSON.stringify(filter), JSON.stringify(result));
  return result;
}

assert.deepEqual(await years({ year: { $eq: 2020 } }), [2020]);
assert.deepEqual(await years({ year: { $ne: 2020 } }), [2019, 2021]);
assert.deepEqual(await years({ year: { $in: [2020, 2021] } }), []);
assert.deepEqual(await years({ year: { $nin: [2020] } }), [2019, 2020, 2021]);
assert.deepEqual(await years({ kind: { $in: ["cats", "dog"] } }), [2020, 2021]);
assert.deepEqual(await years({ kind: { $nin: ["cats"] } }), [2021]);
JS
node filters.mjs
