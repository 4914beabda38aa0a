"""What the runs of one store have in common: who made it, and who used it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clipvec import paths
from clipvec.config import HttpIndexConfig
from clipvec.tracking.run import Artifact

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from clipvec.config import IndexConfig


def store(url: str, collection: str, fingerprint: Mapping[str, Any]) -> Artifact:
    """Return a store: one version for each making, whichever of its shards are committed.

    All jobs of a sweep make the same version, and it is what indexes and reports are made of.
    """
    return Artifact("store", f"store-{collection}", url, fingerprint)


def index(config: IndexConfig, collection: str, fingerprint: Mapping[str, Any]) -> Artifact:
    """Return the Chroma collection of a store."""
    if isinstance(config, HttpIndexConfig):
        scheme = "https" if config.ssl else "http"
        url = f"{scheme}://{config.host}:{config.port}/{collection}"
    else:
        url = str(paths.index_dir(config.path, collection))
    return Artifact("index", f"index-{collection}", url, fingerprint)


def report(collection: str, *files: Path) -> Artifact:
    """Return a recall report."""
    return Artifact("report", f"report-{collection}", files=files)
