"""The artifacts that link the runs of one store: the store, its indexes and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clipvec.tracking.run import Artifact
from clipvec.tracking.run_spec import shorten

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from clipvec.config import IndexConfig


_NAME_LENGTH = 128
"""Longest name that wandb accepts; names of datasets and of models have up to 64 characters."""


def store_name(collection: str) -> str:
    """Return the name of a store's artifact, by which the store's runs are found."""
    return shorten(f"store-{collection}", _NAME_LENGTH)


def store(url: str, collection: str, fingerprint: Mapping[str, Any]) -> Artifact:
    """Return a store: one version per fingerprint, whichever of its shards are committed.

    All jobs of a sweep log the same version, and indexes and reports are built from it.
    """
    return Artifact("store", store_name(collection), url, fingerprint)


def index(config: IndexConfig, name: str, fingerprint: Mapping[str, Any]) -> Artifact:
    """Return the index of a store."""
    artifact = shorten(f"index-{name}", _NAME_LENGTH)
    return Artifact("index", artifact, config.location(name), fingerprint)


def report(collection: str, *files: Path) -> Artifact:
    """Return a recall report."""
    return Artifact("report", shorten(f"report-{collection}", _NAME_LENGTH), files=files)


def evaluation(collection: str, *files: Path) -> Artifact:
    """Return the report of an evaluation."""
    return Artifact("report", shorten(f"evaluation-{collection}", _NAME_LENGTH), files=files)
