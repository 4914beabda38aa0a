#!/usr/bin/env bash
# EdgeVec: after compact() each row has another id, and the metadata of the row that had that id.
#
# Version: edgevec 0.9.0 (npm).
# Guess: `compact` removes what was deleted and keeps the ids of the rest; its documentation says
#   "Re-inserts vectors preserving IDs". If it gave new ids, it would return them and move the metadata.
# Seen: the rows that are left are numbered from 1 anew, and the metadata stay with the old ids. With the
#   first 40 of 100 rows deleted, row 60 has the id and the metadata of row 20, which is gone; a
#   filter for row 60 finds nothing or another row, and one for what was deleted finds rows. No error, and
#   the result has counts only. Before `compact` all is right, deleted rows included.
# Matters: the README's advice is to compact when needsCompaction() says so; from then on captions, paths
#   and permissions belong to other images.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts edgevec@0.9.0 >npm.log
cat >compact.mjs <<'JS'
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import init, { EdgeVec, EdgeVecConfig } from "edgevec";

await init({ module_or_path: readFileSync("node_modules/edgevec/edgevec_bg.wasm") });
let state = 1;
function uniform() {
  state = (state * 48271) % 2147483647;
  return state / 2147483647;
}
const rows = Array.from({ length: 100 }, () => Float32Array.from({ length: 8 }, uniform));
const index = new EdgeVec(new EdgeVecConfig(8));
const ids = rows.map((row, row_number) => index.insertWithMetadata(row, { row_number }));
for (const id of ids.slice(0, 40)) index.softDelete(id);

function look(when) {
  const found = rows.slice(40).map((row) => index.search(row, 1)[0]);
  assert.ok(found.every(({ score }) => score === 0));
  const same = found.filter(({ id }, n) => id === ids[40 + n]).length;
  const own = found.filter(({ id }, n) => index.getVectorMetadata(id)?.row_number === 40 + n).length;
  const gone = index.searchWithFilter(rows[60], "row_number < 40", 60).length;
  console.log(`${when}: ${same} of 60 rows with their id, ${own} with their metadata;`);
  console.log(`  the filter for the 40 deleted rows finds ${gone}`);
  return [same, own, gone];
}
assert.deepEqual(look("before compact"), [60, 60, 0]);
index.compact();
const [same, own, gone] = look("after compact");
assert.deepEqual([same, own], [0, 0]);
assert.ok(gone > 10);
const { id } = index.search(rows[60], 1)[0];
console.log(`row 60 has id ${id} (was ${ids[60]}), metadata ${JSON.stringify(index.getVectorMetadata(id))}`);
assert.equal(id, ids[20]);
assert.deepEqual(index.getVectorMetadata(id), { row_number: 20 });
JS
node --no-warnings compact.mjs
