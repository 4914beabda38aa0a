"""Sweeps: many jobs of one command, on SkyPilot or on this machine, and what became of them.

plan      what the jobs are
record    the sweep's folder: the plan, and the ids of started jobs
backend   what runs them: `sky` or `workers`, behind one interface
watch     what is true of them, by the store and by the backend
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
