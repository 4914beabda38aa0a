"""Runs in Weights & Biases, or none: callers use the same methods either way.

start       a configuration → a `Run`, which is `NoopRun` with ``tracking=disabled``
artifacts   the inputs and outputs of runs: a store, an index, a report
reader      the files of runs → `RecordedRun`
wandb_sdk   the only module that uses wandb

A run is always written to files first, in wandb's offline mode, which does not use the network.
With ``tracking=online`` a separate process follows those files and uploads them, so that a server
that is down, slow or full does not affect the work.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
