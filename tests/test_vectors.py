from __future__ import annotations

import numpy as np

from clipvec.vectors import unit


def test_one_vector_and_many() -> None:
    assert unit(np.array([3.0, 4.0])).tolist() == np.array([0.6, 0.8], np.float32).tolist()
    several = unit(np.array([[0, 5], [-2, 0]]))
    assert several.tolist() == [[0, 1], [-1, 0]]
    assert several.dtype == np.float32
