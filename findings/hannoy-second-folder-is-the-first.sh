#!/usr/bin/env bash
# hannoy: a Database of a second folder reads and writes the first one's, and the second folder stays empty.
#
# Versions: hannoy 0.1.3, numpy 2.4.6.
# Guess: `hannoy.Database("dogs")` beside an open `hannoy.Database("cats")` is another index, or it raises.
# Seen: in one process all databases are the one that was opened first, whatever their path: the second finds the
#   rows of the first before anything was added to it, what is added to it is found by the first, a row
#   with an id that both have replaces the other's, and its own folder has no file. Nothing is raised. In
#   another process the second folder has no index, and the first has the rows of both.
#   Letting go of the first (del, gc.collect()) does not help. With another metric it is kept apart,
#   in the first folder all the same (tried by hand).
# Matters: a service or a notebook with one index for each data set, user or model mixes them, and what was
#   meant for the second is lost for whoever copies or deletes the folders.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet hannoy==0.1.3 numpy==2.4.6
cd "$folder"
mkdir cats dogs
cat >two.py <<'PY'
import gc
import os

import hannoy
import numpy as np


def add(database: hannoy.Database, items: list[int], rows: list[list[float]]) -> None:
    with database.writer(2) as writer:
        writer.add_items(items, np.array(rows, np.float32))


def look(database: hannoy.Database) -> list[tuple[int, float]]:
    return sorted(database.reader().by_vec([0.0, 0.0], n=9))


cats = hannoy.Database("cats", hannoy.Metric.EUCLIDEAN)
add(cats, [0, 1], [[0, 0], [1, 0]])
dogs = hannoy.Database("dogs", hannoy.Metric.EUCLIDEAN)
print("dogs, before a row was added:", look(dogs))
assert look(dogs) == [(0, 0.0), (1, 1.0)]
add(dogs, [1, 7], [[3, 0], [5, 0]])
print("cats, after rows 1 and 7 were added to dogs:", look(cats))
assert look(cats) == look(dogs) == [(0, 0.0), (1, 9.0), (7, 25.0)]
print("files:", os.listdir("cats"), os.listdir("dogs"))
assert "data.mdb" in os.listdir("cats") and os.listdir("dogs") == []

del cats, dogs
gc.collect()
dogs = hannoy.Database("dogs", hannoy.Metric.EUCLIDEAN)
assert len(look(dogs)) == 3 and os.listdir("dogs") == []
PY
cat >later.py <<'PY'
import hannoy

cats = hannoy.Database("cats", hannoy.Metric.EUCLIDEAN)
found = sorted(item for item, _ in cats.reader().by_vec([0.0, 0.0], n=9))
print("cats in another process:", found)
assert found == [0, 1, 7]
PY
venv/bin/python two.py
venv/bin/python later.py
