"""The name, id and configuration of a tracked run."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clipvec.errors import url_without_secrets

SWEEP_VARIABLE = "CLIPVEC_SWEEP"
"""Environment variable of a sweep's jobs: the name of their sweep."""
RUN_VARIABLE = "CLIPVEC_RUN"
"""Environment variable of a sweep's jobs: the prefix of their run ids."""
SWEEP = "sweep"
"""Key of the sweep's name in a run's configuration."""
_ID_LENGTH = 100
"""Longest id; wandb allows 128 characters, and the folder named after it may have 255."""


@dataclass(frozen=True)
class RunSpec:
    """A run to be started."""

    type: str
    """``embed``, ``index``, ``recall``, ``evaluate`` or ``sweep``."""
    name: str
    """Name if the run belongs to no sweep."""
    root: str
    """The store's root; the run's files are written beside it."""
    config: Mapping[str, Any]
    """The whole configuration, as plain values."""
    shards: str = ""
    """The shards it embeds, as `clipvec.shards` writes them."""
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
        """The run's id; None lets wandb choose: outside of sweeps, runs are never resumed."""
        if self.sweep:
            return _clean(self.sweep)
        prefix = os.environ.get(RUN_VARIABLE) or os.environ.get(SWEEP_VARIABLE)
        return _clean("-".join(filter(None, [prefix, self.shards]))) if prefix else None


def _public(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _public(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_public(one) for one in value]
    return url_without_secrets(value) if isinstance(value, str) else value


def _clean(id_: str) -> str:
    """Return a version of an id that wandb and file systems accept."""
    return shorten(re.sub(r"[^A-Za-z0-9._-]", "_", id_), _ID_LENGTH)


def shorten(name: str, length: int) -> str:
    """Return a name of at most ``length`` characters; a hash keeps truncated names distinct."""
    if len(name) <= length:
        return name
    return f"{name[: length - 13]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
