"""Which FAISS index: chosen by rows and dimension, or given as a factory string.

`FAISS's own guide <https://github.com/facebookresearch/faiss/wiki/Guidelines-to-choose-an-index>`_
wants 4 to 16 times the root of the rows as lists of an inverted file, and at least 39 training
rows for each.
"""

from __future__ import annotations

import logging
import math
import re
from typing import Any

from clipvec.errors import ConfigError
from clipvec.index.faiss.library import faiss_errors, library
from clipvec.index.rows import FEW

FLAT = "Flat"
"""Every vector is compared: the table of rows suffices."""
AUTO = "auto"
_GRAPH_ROWS = 1_000_000
"""Rows above which the lists of a query are found through a graph."""
_LISTS = re.compile(r"IVF(\d+)")
log = logging.getLogger(__name__)


def num_lists(rows: int) -> int:
    """Return the number of inverted lists: the power of two nearest to 4 x the root of ``rows``.

    A store too small to train as many has fewer, so that each gets 39 rows.
    """
    power = round(math.log2(max(1.0, 4 * math.sqrt(rows))))
    most = int(math.log2(max(1, rows // 39)))
    return int(2 ** min(power, most))


def choose(given: str, rows: int, dim: int) -> str:
    """Return the factory string for so many rows of ``dim`` numbers.

    Args:
        given: ``index.factory``.
        rows: of the index.
        dim: D.
    """
    if given == AUTO:
        if rows * dim <= FEW:
            return FLAT
        return f"IVF{num_lists(rows)}{'_HNSW32' if rows > _GRAPH_ROWS else ''},RaBitQ"
    lists = _LISTS.search(given)
    if lists and int(lists[1]) > rows:
        log.warning("index.factory=%s: %d rows are fewer than its lists; using Flat", given, rows)
        return FLAT
    return given


def kept(given: str, wanted: str, built: str) -> str | None:
    """Return the factory string of the next build of an index; None: only a rebuild can have it.

    Args:
        given: ``index.factory``.
        wanted: `choose` of it.
        built: that of the published index.
    """
    if built == wanted or (FLAT in {built, wanted} and given != FLAT):
        return wanted
    return built if given == AUTO else None


def lists_of(factory: str) -> int:
    """Return the number of inverted lists that a factory string names; 0: none."""
    found = _LISTS.search(factory)
    return int(found[1]) if found else 0


def with_fewer_lists(factory: str) -> str:
    """Return a factory string with half as many inverted lists, at least one."""
    return _LISTS.sub(lambda found: f"IVF{max(1, int(found[1]) // 2)}", factory)


def empty_index(factory: str, dim: int) -> Any:
    """Return an inverted file without vectors or training.

    Raises:
        ConfigError: FAISS refuses the string, or the index cannot lie on disk as lists.
    """
    faiss = library()
    with faiss_errors(f"index.factory={factory} with D = {dim}"):
        index = faiss.index_factory(dim, factory, faiss.METRIC_INNER_PRODUCT)
    inner = faiss.try_extract_index_ivf(index)
    wrapped = isinstance(index, faiss.IndexRefine | faiss.IndexIDMap)
    if inner and inner.nlist < 1:
        raise ConfigError(f"index.factory={factory} has no list; IVF takes a number of at least 1")
    if not inner or wrapped or isinstance(faiss.downcast_index(inner), faiss.IndexIVFFastScan):
        raise ConfigError(
            f"index.factory={factory}: index=faiss takes auto, Flat, or inverted lists of codes "
            "such as IVF4096,RaBitQ or OPQ64,IVF4096,PQ64; it ranks again by itself, without "
            "RFlat, and FastScan kinds keep no lists on disk"
        )
    return index


def inverted(index: Any) -> Any:
    """Return the inverted file within an index of `empty_index`."""
    faiss = library()
    return faiss.downcast_index(faiss.extract_index_ivf(index))
