"""What paths and URLs that a user or a store names stand for on this machine."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
"""The folder of clipvec itself."""
PACKAGE_SCHEME = "pkg://clipvec/"
"""Prefix of data files bundled with clipvec; kept in URIs to keep them portable."""


def expanded(path: str | Path) -> Path:
    """Return a path that a user named, ``~`` as the home; where nobody is called so, as it is."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 # that of Path raises


def local_root(root: str) -> Path | None:
    """Return a store's root as a local folder, or None if it is in an object store."""
    scheme, separator, rest = root.partition("://")
    if not separator:
        return Path(root).absolute()
    return Path(rest) if scheme in {"file", "local"} else None


def mirror(root: str) -> Path:
    """Return the local folder that mirrors a root in an object store.

    It is the same on every machine, since wandb records absolute paths of a run's files.
    """
    scheme, _, rest = root.partition("://")
    return Path(tempfile.gettempdir(), "clipvec", scheme, rest.strip("/"))


def package_file(url: str) -> str:
    """Return the local path behind a ``pkg://clipvec/...`` URL; any other URL unchanged."""
    if url.startswith(PACKAGE_SCHEME):
        return str(PACKAGE / url.removeprefix(PACKAGE_SCHEME))
    return url
