#!/usr/bin/env bash
# safetensors: a NumPy array that is not in C order is saved with its values in other places.
#
# Versions: safetensors 0.8.0, numpy 2.4.2.
# Guess: `save_file` writes what the array holds, or refuses, as safetensors.torch refuses a tensor that
#   is not contiguous.
# Seen: it writes the array's memory as it lies, under the array's shape. A transposed or Fortran-ordered
#   matrix comes back with the right shape, sum and norm, and its values elsewhere; the even columns of a
#   matrix come back as the first half of its memory. Nothing is raised. 0.7.0 returns all three as
#   they were. The docstring asks for "contiguous and dense" tensors, which a Fortran-ordered one is.
# Known: open since August 2026 as issue 825, where a model was spoilt by the components of
#   scikit-learn's PCA, which are in Fortran order.
# Matters: PCA, whitening and projection matrices, weights transposed for inference, columns of an
#   embedding matrix: checks of shape and norm pass. Wrap each array in np.ascontiguousarray.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet numpy==2.4.2
cat >"$folder/roundtrip.py" <<'PY'
import sys

import numpy as np
import safetensors
from safetensors.numpy import load_file, save_file

matrix = np.random.default_rng(0).standard_normal((48, 64)).astype(np.float32)
arrays = {"fortran": np.asfortranarray(matrix), "transposed": matrix.T, "columns": matrix[:, ::2]}
save_file(arrays, sys.argv[1])
loaded = load_file(sys.argv[1])
same = {name: bool(np.array_equal(array, loaded[name])) for name, array in arrays.items()}
print("safetensors", safetensors.__version__, same)
if safetensors.__version__ == "0.7.0":
    assert all(same.values())
else:
    assert not any(same.values())
    for name in ("fortran", "transposed"):
        assert loaded[name].shape == arrays[name].shape
        assert np.array_equal(np.sort(loaded[name], axis=None), np.sort(arrays[name], axis=None))
    assert np.array_equal(loaded["columns"].ravel(), matrix.ravel()[: matrix.size // 2])
PY
for version in 0.7.0 0.8.0; do
  "$folder/venv/bin/python" -m pip install --quiet "safetensors==$version"
  "$folder/venv/bin/python" "$folder/roundtrip.py" "$folder/arrays.safetensors"
done
