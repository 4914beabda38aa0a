#!/usr/bin/env bash
# mosaicml-streaming: a big-endian array is written as it is and read back as little-endian numbers.
#
# Versions: mosaicml-streaming 0.13.0, numpy 2.1.3, pillow 11.3.0.
# Guess: a column of "ndarray" gives back the array that was written, whatever its layout, or refuses it.
# Seen: so it does for arrays in Fortran order and for views with gaps, and a column of "ndarray:float32"
#   refuses another byte order ("expected float32, got float32"). "ndarray" stores the name of the type
#   alone, which is float32 for >f4 too: 1.0 is read as 4.6e-41, of integers 1 as 256. No error, from
#   MDSWriter to StreamingDataset; here its codec alone is loaded, which needs no torch.
# Matters: FITS, NIfTI and TIFF files, and .npy files of other machines, give such arrays; a training set
#   of zeros and noise comes of them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet numpy==2.1.3 pillow==11.3.0 typing_extensions==4.15.0
"$folder/venv/bin/python" -m pip install --quiet --no-deps mosaicml-streaming==0.13.0
"$folder/venv/bin/python" - <<'PY'
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np

package = Path(find_spec("streaming").origin).parent
spec = spec_from_file_location("encodings_of_mds", package / "base/format/mds/encodings.py")
mds = module_from_spec(spec)
spec.loader.exec_module(mds)


def through(array, column="ndarray"):
    return mds.mds_decode(column, mds.mds_encode(column, array))


numbers = np.arange(6, dtype=np.float32).reshape(2, 3)
for layout in (numbers, np.asfortranarray(numbers), np.repeat(numbers, 2, axis=1)[:, ::2]):
    assert np.array_equal(through(layout), numbers)
big = numbers.astype(">f4")
read = through(big)
print(f"written {big[0]}, read {read[0]}")
assert np.array_equal(big, numbers) and np.array_equal(read, numbers.byteswap()) and abs(read).max() < 1e-37
labels = through(np.array([1, 2, 3], ">u2"))
print(f"written [1 2 3], read {labels}")
assert labels.tolist() == [256, 512, 768]
try:
    through(big, "ndarray:float32")
except ValueError as error:
    print(f'"ndarray:float32": {error}')
else:
    raise AssertionError("a column with a type takes it as well")
PY
