#!/usr/bin/env bash
# hnswlib-node: ids above 2**32 are cut to 32 bits, so that a row replaces another one's vector.
#
# Version: hnswlib-node 3.0.0 (npm).
# Guess: hnswlib's ids have 64 bits, JavaScript's whole numbers 53: an id comes back as it was given, or
#   addPoint raises, as it does for a string.
# Seen: an id is taken modulo 2**32: after addPoint(vector, 2**32 + 5) the index has one row fewer
#   than were added, row 5 has the new vector, and markDelete(2**32 + 5) removes row 5. Dates in
#   milliseconds and hashes come back as other numbers; -1 is 4294967295 and 2.7 is 2. Exact
#   (BruteforceSearch) as well as approximate. No error.
# Matters: ids made of time stamps, of hashes or of another database's keys name no row that was added.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts hnswlib-node@3.0.0 >npm.log
npm rebuild --silent --foreground-scripts hnswlib-node >build.log 2>&1
cat >ids.cjs <<'JS'
const assert = require("node:assert/strict");
const { BruteforceSearch, HierarchicalNSW } = require("hnswlib-node");

const far = 2 ** 32 + 5;
const day = Date.UTC(2026, 11, 1);
for (const Index of [HierarchicalNSW, BruteforceSearch]) {
  const index = new Index("l2", 1);
  index.initIndex(10);
  index.addPoint([0], 5);
  index.addPoint([100], far);
  const { neighbors, distances } = index.searchKnn([0], 1);
  console.log(`${Index.name}: 2 rows added, ${index.getCurrentCount()} in the index;`);
  console.log(`  row ${neighbors[0]} was at distance 0 from the query and is at ${distances[0]}`);
  assert.deepEqual([index.getCurrentCount(), neighbors[0], distances[0]], [1, 5, 10_000]);
  for (const [value, id, seen] of [[200, day, day % 2 ** 32], [300, -1, 2 ** 32 - 1], [400, 2.7, 2]]) {
    index.addPoint([value], id);
    const found = index.searchKnn([value], 1).neighbors[0];
    console.log(`  id ${id} comes back as ${found}`);
    assert.equal(found, seen);
  }
}
const index = new HierarchicalNSW("l2", 1);
index.initIndex(10);
index.addPoint([0], 5);
index.addPoint([100], 6);
index.markDelete(far);
assert.deepEqual(index.searchKnn([0], 1).neighbors, [6]);
JS
node ids.cjs
