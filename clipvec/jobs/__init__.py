"""Sweeps: many jobs of one command, on SkyPilot or on this machine, and their state.

plan      the jobs
record    the sweep's folder: the plan, and the ids of started jobs
backend   runs them: `sky` or `workers`, behind one interface
watch     their actual state, from the store and the backend
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
