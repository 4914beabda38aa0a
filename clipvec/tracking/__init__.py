"""Runs in Weights & Biases, or nothing at all: whoever tracks calls the same methods.

start       a configuration → a `Run`, which is `Untracked` with ``tracking=disabled``
artifacts   what runs make and use: a store, an index, a report
Rows, Lines a table by its columns, a chart by its lines

A run is always written to files first, by wandb's offline mode, which asks the network for
nothing. With ``tracking=online`` a process beside this one follows those files and uploads them,
so that a server that is down, slow or full is none of the work's concern.
"""

from __future__ import annotations

from clipvec.tracking import artifacts
from clipvec.tracking.run import Artifact, Lines, Picture, Rows, Run, Untracked
from clipvec.tracking.start import RUN_VARIABLE, SWEEP_VARIABLE, Job, start

__all__ = [
    "RUN_VARIABLE",
    "SWEEP_VARIABLE",
    "Artifact",
    "Job",
    "Lines",
    "Picture",
    "Rows",
    "Run",
    "Untracked",
    "artifacts",
    "start",
]
