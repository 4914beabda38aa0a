#!/usr/bin/env bash
# client-vector-search: update() replaces a row and adds it as well; once removed it is still found.
#
# Version: client-vector-search 0.2.0 (npm).
# Guess: `update({ id: 3 }, row)` puts the row in the place of the old one; the size stays, and after
#   `remove({ id: 3 })` no search finds it.
# Seen: the new row is in the index twice, and the size has grown by one with each update. After three updates
#   the three results that a search gives by default are the same row. `remove` takes out one of them, so
#   that the row is found after it, and after the next. `add` and `remove` without an update are
#   right. (EmbeddingIndex.update calls validateAndAdd, which adds, and then sets the old place.)
# Matters: rows that are updated crowd out all others, and a row that was removed, for privacy or because it
#   was wrong, is still there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts client-vector-search@0.2.0 >npm.log
cat >rows.mjs <<'JS'
import assert from "node:assert/strict";
import { EmbeddingIndex } from "client-vector-search";

const rows = Array.from({ length: 5 }, (_, id) => ({ id, embedding: [Math.cos(id), Math.sin(id)] }));
const index = new EmbeddingIndex(rows);
const nearest = async () =>
  (await index.search(rows[3].embedding, { topK: 3 })).map(({ object }) => object.id);
async function look(when) {
  const ids = await nearest();
  console.log(`${when}: size ${index.size()}, nearest ${ids}`);
  return [index.size(), ...ids];
}
assert.deepEqual(await look("at first"), [5, 3, 2, 4]);
index.update({ id: 3 }, { ...rows[3] });
assert.deepEqual(await look("after one update"), [6, 3, 3, 2]);
index.update({ id: 3 }, { ...rows[3] });
index.update({ id: 3 }, { ...rows[3] });
assert.deepEqual(await look("after three updates"), [8, 3, 3, 3]);
index.remove({ id: 3 });
assert.deepEqual(await look("after remove"), [7, 3, 3, 3]);
index.remove({ id: 4 });
assert.ok(!(await nearest()).includes(4));
JS
node --no-warnings rows.mjs
