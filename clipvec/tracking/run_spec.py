"""What a tracked run is called, and what it describes."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clipvec.errors import without_secrets

SWEEP_VARIABLE = "CLIPVEC_SWEEP"
"""Environment variable of a sweep's jobs: the name of their sweep."""
RUN_VARIABLE = "CLIPVEC_RUN"
"""Environment variable of a sweep's jobs: what the ids of their runs begin with."""
SWEEP = "sweep"
"""Where a run's configuration has the name of its sweep."""
_ID_LENGTH = 100
"""Longest id; wandb takes 128 characters, and a file system 255 of a folder named after it."""


@dataclass(frozen=True)
class RunSpec:
    """A run to be started."""

    type: str
    """``embed``, ``index``, ``recall`` or ``sweep``."""
    name: str
    """Name of a run that belongs to no sweep."""
    root: str
    """The store's root, beside which the run's files go."""
    config: Mapping[str, Any]
    """The whole configuration, as plain values."""
    shards: str = ""
    """The shards that it embeds, as `clipvec.shards` writes them."""
    sweep: str = ""
    """The sweep that the run summarises; a job finds its own in the environment."""

    @property
    def group(self) -> str | None:
        """The sweep that the run belongs to."""
        return self.sweep or os.environ.get(SWEEP_VARIABLE) or None

    @property
    def config_and_sweep(self) -> dict[str, Any]:
        """The configuration without the secrets of URLs, and the sweep."""
        config: dict[str, Any] = _public(self.config)
        return {**config, **({SWEEP: self.group} if self.group else {})}

    @property
    def id(self) -> str | None:
        """The run's id; None where wandb chooses: outside of sweeps nothing is ever resumed."""
        if self.sweep:
            return _clean(self.sweep)
        prefix = os.environ.get(RUN_VARIABLE) or os.environ.get(SWEEP_VARIABLE)
        return _clean("-".join(filter(None, [prefix, self.shards]))) if prefix else None


def _public(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _public(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_public(one) for one in value]
    return without_secrets(value) if isinstance(value, str) else value


def _clean(id_: str) -> str:
    """Return an id that wandb and file systems accept, and that no other id becomes."""
    return shorten(re.sub(r"[^A-Za-z0-9._-]", "_", id_), _ID_LENGTH)


def shorten(name: str, length: int) -> str:
    """Return a name of at most ``length`` characters; a hash tells those apart that are cut."""
    if len(name) <= length:
        return name
    return f"{name[: length - 13]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
