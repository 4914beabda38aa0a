"""Queries over a store, their exact neighbours, and how sure a recall is."""

from __future__ import annotations

from clipvec.exact.bootstrap import expected, interval
from clipvec.exact.nearest import Nearest

__all__ = ["Nearest", "expected", "interval"]
