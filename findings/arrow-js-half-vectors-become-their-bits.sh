#!/usr/bin/env bash
# Apache Arrow for JavaScript: toArray() of half floats gives their bits, and of nulls a number.
#
# Versions: apache-arrow 21.2.0 (npm), pyarrow 26.0.1.
# Guess: `vector.toArray()` holds the numbers that `[...vector]`, `get` and `toJSON` give.
# Seen: for Float16 it is a Uint16Array of the bits: 15,360 for 1, 48,128 for -1. The elements of a
#   FixedSizeList<Float16>, as half-precision embeddings are stored, are vectors and do the same;
#   cosines that are computed from them are all above 0.5, of opposite vectors too, and their order is
#   another one. For a Float32 with a null the place of the null holds 0 or whatever was there.
#   The documentation calls the result "a zero-copy slice of the underlying values" for "primitive
#   numeric types corresponding to one of the JavaScript TypedArrays"; no type of half floats is one in Node 20.
# Matters: toArray is what one passes on to a dot product or a tensor. parquet-wasm 0.8.0 with such a table
#   behaves the same (tried by hand); hyparquet 1.33.0 gives numbers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet pyarrow==26.0.1 numpy==2.4.2
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts apache-arrow@21.2.0 >npm.log
venv/bin/python - <<'PY'
import numpy as np
import pyarrow as pa

vectors = np.random.default_rng(0).standard_normal((50, 16)).astype(np.float16)
vectors[1] = -vectors[0]
halves = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 16)
table = pa.table({"half": halves, "float": halves.cast(pa.list_(pa.float32(), 16))})
with pa.ipc.new_file("table.arrow", table.schema) as file:
    file.write_table(table)
PY
cat >cosines.mjs <<'JS'
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Float16, Float32, tableFromIPC, vectorFromArray } from "apache-arrow";

const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
const cosine = (a, b) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
const table = tableFromIPC(readFileSync("table.arrow"));

function cosines(name, read) {
  const rows = [...table.getChild(name)].map(read);
  return rows.map((row) => cosine(Array.from(row), Array.from(rows[0])));
}

const spread = cosines("half", (vector) => [...vector]);
const floats = cosines("float", (vector) => vector.toArray());
const bits = cosines("half", (vector) => vector.toArray());
console.log("opposite vectors:", spread[1], "by toArray:", bits[1]);
console.log("smallest of all by toArray:", Math.min(...bits));
assert.ok(spread.every((value, i) => Math.abs(value - floats[i]) < 1e-6));
assert.ok(Math.abs(spread[1] + 1) < 1e-6 && bits[1] > 0.5 && Math.min(...bits) > 0.5);

const small = vectorFromArray([1, -1, 0.5], new Float16());
console.log([...small], small.toArray());
assert.deepEqual(Array.from(small.toArray()), [15360, 48128, 14336]);
const holes = vectorFromArray([1, null, 3], new Float32());
console.log([...holes], holes.toArray());
assert.equal(holes.get(1), null);
assert.equal(typeof holes.toArray()[1], "number");
JS
node cosines.mjs
