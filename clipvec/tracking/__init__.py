"""Runs in Weights & Biases, or nothing at all: whoever tracks calls the same methods.

start       a configuration → a `Run`, which is `Untracked` with ``tracking=disabled``
artifacts   what runs make and use: a store, an index, a report
Rows, Lines a table by its columns, a chart by its lines

A run is always written to files first, by wandb's offline mode, which asks the network for
nothing. With ``tracking=online`` a process beside this one follows those files and uploads them,
so that a server that is down, slow or full is none of the work's concern.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
