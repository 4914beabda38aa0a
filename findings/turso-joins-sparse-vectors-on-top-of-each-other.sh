#!/usr/bin/env bash
# Turso: vector_concat of two sparse vectors writes the second one over the start of the first.
#
# Version: pyturso 0.8.3.
# Guess: vector_concat gives the numbers of the first vector and then those of the second, sparse or dense.
# Seen: so it does for vector32 and vector64. For vector32_sparse the result has the right length, but the
#   second vector's numbers stand at their old places: [1, 0] and [3, 0, 0, 4] become [3, 0, 0, 4, 0, 0].
#   Where the second is zero, the first shows through. Slices and distances of sparse vectors agree with
#   dense ones, so a search in what was joined runs and ranks by wrong rows. No error.
# Matters: joining the sparse text features of a title and a caption is what the function is for.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet pyturso==0.8.3
cd "$folder"
venv/bin/python - <<'PY'
import json

import turso

database = turso.connect(":memory:")


def ask(question):
    cursor = database.cursor()
    cursor.execute(question)
    return cursor.fetchone()[0]


def join(kind, first, second):
    return json.loads(ask(f"SELECT vector_extract(vector_concat({kind}('{first}'), {kind}('{second}')))"))


seen = {}
for first, second in (([1, 0], [3, 0, 0, 4]), ([5, 0, 6], [7, 0]), ([1, 2], [3, 4]), ([1, 2], [0, 0])):
    assert join("vector32", first, second) == join("vector64", first, second) == first + second
    seen[str(first + second)] = join("vector32_sparse", first, second)
    print(f"{first} and {second}: {seen[str(first + second)]}")
assert seen["[1, 0, 3, 0, 0, 4]"] == [3, 0, 0, 4, 0, 0]
assert seen["[5, 0, 6, 7, 0]"] == [7, 0, 6, 0, 0]
assert seen["[1, 2, 3, 4]"] == [3, 4, 0, 0]
assert seen["[1, 2, 0, 0]"] == [1, 2, 0, 0]

joined = "vector_concat(vector32_sparse('[1, 0]'), vector32_sparse('[0, 1]'))"
distance = ask(f"SELECT vector_distance_cos({joined}, vector32_sparse('[1, 0, 0, 1]'))")
print(f"cosine distance of [1, 0] joined with [0, 1] from [1, 0, 0, 1]: {distance:.2f}")
assert distance > 0.4
assert json.loads(ask("SELECT vector_extract(vector_slice(vector32_sparse('[1, 0, 2, 0]'), 1, 4))")) == [0, 2, 0]
PY
