"""Files of encoded shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clipvec.index.base import BuildStats
from clipvec.index.faiss.manifest import HeldPart
from clipvec.index.faiss.segments import Segments
from clipvec.paths import FaissEncodedPaths


def test_what_another_job_writes_is_read_in_its_place(tmp_path: Path) -> None:
    """A job that found a file reads it later, when others may have encoded the same shard."""
    dtype = np.dtype([("list", np.uint16), ("code", np.uint8, 4)])
    segments = Segments(FaissEncodedPaths(tmp_path), "0" * 64, dtype)
    part = HeldPart("shard-00000/part-00000.parquet", "1" * 64, "", 3)
    codes = np.zeros(3, dtype)
    codes["list"] = [1, 2, 3]
    segments.write([part], [codes], BuildStats(3, 1.0, None))
    found = segments.find([part], [FaissEncodedPaths(tmp_path).codes(part.file)])[part.file]
    segments.write([part], [codes], BuildStats(3, 1234.56789, 2**40))
    np.testing.assert_array_equal(found.codes(dtype), codes)
