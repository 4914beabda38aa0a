"""FAISS factory strings with what depends on the store filled in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from clipvec.errors import ConfigError
from clipvec.index import faiss_errors, num_lists

if TYPE_CHECKING:
    from clipvec.config import FaissSystemConfig
    from clipvec.recall.results import Parameters

TRAIN_ROWS_A_LIST = 40
"""FAISS warns below 39."""
LEAST_TRAIN_ROWS = 10_240
"""40 rows for each of the 256 centroids of a product quantiser."""
_ROUNDS = 5
"""Rounds of an OPQ, and half of the k-means iterations of a product quantiser."""
_NUMBERS_A_BYTE = 8
"""Numbers of a vector that one byte of a PQ code stands for."""
_BRACES = re.compile(r"\{[^{}]*\}|[{}]")


def code_bytes(dim: int) -> int:
    """Return ``{m}``: the largest divisor of ``dim`` that is at most ``dim`` / 8."""
    return next(m for m in range(max(1, dim // _NUMBERS_A_BYTE), 0, -1) if dim % m == 0)


def fill(factory: str, rows: int, dim: int) -> str:
    """Return a factory string with its placeholders filled in.

    Raises:
        ConfigError: there is another placeholder, or a stray brace.
    """
    filled = factory.replace("{nlist}", str(num_lists(rows))).replace("{m}", str(code_bytes(dim)))
    if stray := _BRACES.search(filled):
        raise ConfigError(
            f"factory {factory!r}: {stray[0]} is not known; placeholders are {{nlist}} and {{m}}"
        )
    return filled


def empty_index(config: FaissSystemConfig, rows: int, dim: int) -> Any:
    """Return the index without vectors, its build parameters set and its sweep tried.

    Raises:
        ConfigError: FAISS refuses the factory string or a parameter.
    """
    import faiss

    factory = fill(config.factory, rows, dim)
    with faiss_errors(f"factory {factory!r} with D = {dim}"):
        index = faiss.index_factory(dim, factory, faiss.METRIC_INNER_PRODUCT)
    for name, values in config.sweep.items():
        for value in values:
            set_parameter(index, name, value)
    for name, value in config.build.items():
        set_parameter(index, name, value)
    _lighten(index, config.code_rows)
    return index


def set_parameter(index: Any, name: str, value: float) -> None:
    """Set a build or search parameter by FAISS's name for it.

    Raises:
        ConfigError: the index has no such parameter.
    """
    import faiss

    with faiss_errors(f"{name}={value} for {type(faiss.downcast_index(index)).__name__}"):
        faiss.ParameterSpace().set_index_parameter(index, name, value)


def with_quantizer_ef(index: Any, parameters: Parameters) -> Parameters:
    """Return the parameters with ``quantizer_efSearch``, where a graph finds the lists to probe.

    FAISS's own value, 16, would cap the lists that are found however many ``nprobe`` asks for:
    at nprobe=256 it costs 0.15 of recall@10, and twice nprobe costs nothing.
    """
    import faiss

    inverted = faiss.try_extract_index_ivf(index)
    if not inverted or not isinstance(faiss.downcast_index(inverted.quantizer), faiss.IndexHNSW):
        return parameters
    probes = parameters.get("nprobe", inverted.nprobe)
    return {"quantizer_efSearch": max(64, 2 * probes)} | parameters


def _lighten(index: Any, rows: int) -> None:
    """Let product quantisers and rotations learn from ``rows`` rows, in fewer rounds.

    With FAISS's own 65,536 rows and 50 rounds an OPQ of 512 dimensions trains for ten minutes on
    two cores; k-means of 256 centroids has settled long before.
    """
    import faiss

    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexRefine):
        _lighten(index.base_index, rows)
    elif isinstance(index, faiss.IndexPreTransform):
        for i in range(index.chain.size()):
            rotation = faiss.downcast_VectorTransform(index.chain.at(i))
            if isinstance(rotation, faiss.OPQMatrix):
                rotation.max_train_points = rows
                rotation.niter, rotation.niter_pq_0 = _ROUNDS, 2 * _ROUNDS
        _lighten(index.index, rows)
    elif hasattr(index, "pq"):
        index.pq.cp.max_points_per_centroid = max(1, rows // index.pq.ksub)
        index.pq.cp.niter = 2 * _ROUNDS


def train_rows(config: FaissSystemConfig, index: Any) -> int:
    """Return the number of rows to draw for the training of ``index``; 0: it needs none."""
    import faiss

    if index.is_trained:
        return 0
    inverted = faiss.try_extract_index_ivf(index)
    lists = inverted.nlist if inverted else 0
    return config.train_rows or max(TRAIN_ROWS_A_LIST * lists, LEAST_TRAIN_ROWS, config.code_rows)
