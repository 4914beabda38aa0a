"""FAISS itself: a version that has what is needed, and its words as one line."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

from clipvec.errors import ConfigError, one_line
from clipvec.extras import install_command, missing

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEAST = (1, 15)
"""Version from which on RaBitQ is as fast, and has as many bits, as what is said of it here."""
_CODE = re.compile(r"^Error in .*? at \S+:\d+: ")
"""Where in its code FAISS met an error."""
_CONDITION = re.compile(r"^Error: '(.*)' failed(?:: )?")
_FUNCTION = re.compile(r"^\w+::\w+: ?")


def library() -> Any:
    """Return the module ``faiss``.

    Raises:
        ConfigError: it is missing, or too old.
    """
    try:
        import faiss
    except ImportError as error:
        raise missing("index=faiss", "faiss", "faiss-cpu") from error
    if tuple(map(int, faiss.__version__.split(".")[:2])) < _LEAST:
        least = ".".join(map(str, _LEAST))
        raise ConfigError(
            f"index=faiss needs faiss-cpu {least} or later, not {faiss.__version__}; run: "
            f"{install_command('faiss')}"
        )
    return faiss


@contextlib.contextmanager
def faiss_errors(what: str) -> Iterator[None]:
    """Turn what FAISS raises into one line about ``what``.

    Raises:
        ConfigError: with what FAISS says.
    """
    try:
        yield
    except MemoryError as error:
        raise ConfigError(f"{what}: there is too little memory; use smaller codes") from error
    except RuntimeError as error:
        raise ConfigError(f"{what}: FAISS says: {_said(str(error))}") from error


def _said(error: str) -> str:
    """Return what FAISS says without what only its developers can read."""
    words = _CODE.sub("", one_line(error))
    condition = _CONDITION.match(words)
    words = _FUNCTION.sub("", _CONDITION.sub("", words)).strip()
    if not words and condition and "METRIC_L2" in condition[1]:
        return "it knows Euclidean distances alone, not inner products"
    return words or "it does not admit these parameters"
