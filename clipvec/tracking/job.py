"""What a tracked run is of."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

SWEEP_VARIABLE = "CLIPVEC_SWEEP"
"""Environment variable of a sweep's jobs: the name of their sweep."""
RUN_VARIABLE = "CLIPVEC_RUN"
"""Environment variable of a sweep's jobs: what the ids of their runs begin with."""
SWEEP = "sweep"
"""Where a run's configuration has the name of its sweep."""
_ID_LENGTH = 100
"""Longest id; wandb takes 128 characters, and a file system 255 of a folder named after it."""


@dataclass(frozen=True)
class Job:
    """What is to be tracked."""

    type: str
    """``embed``, ``index``, ``recall`` or ``sweep``."""
    name: str
    """How the run is called where it belongs to no sweep."""
    root: str
    """The store's root, beside which the run's files go."""
    config: Mapping[str, Any]
    """The whole configuration, as plain values."""
    shards: str = ""
    """What it does of a store, in the words of `clipvec.shards`."""
    sweep: str = ""
    """The sweep that the run sums up; jobs of one have theirs in the environment."""

    @property
    def group(self) -> str | None:
        """The sweep that the run belongs to."""
        return self.sweep or os.environ.get(SWEEP_VARIABLE) or None

    @property
    def about(self) -> dict[str, Any]:
        """The configuration, and the sweep."""
        return {**self.config, **({SWEEP: self.group} if self.group else {})}

    @property
    def id(self) -> str | None:
        """The run's id; None where wandb chooses: outside of sweeps nothing is ever resumed."""
        if self.sweep:
            return _clean(self.sweep)
        prefix = os.environ.get(RUN_VARIABLE) or os.environ.get(SWEEP_VARIABLE)
        return _clean("-".join(filter(None, [prefix, self.shards]))) if prefix else None


def _clean(id_: str) -> str:
    """Return an id that wandb and file systems accept, and that no other id becomes."""
    id_ = re.sub(r"[^A-Za-z0-9._-]", "_", id_)
    if len(id_) <= _ID_LENGTH:
        return id_
    return f"{id_[: _ID_LENGTH - 13]}-{hashlib.sha256(id_.encode()).hexdigest()[:12]}"
