from . import artifacts, upload
from .job import RUN_VARIABLE, SWEEP_VARIABLE, Job
from .reader import SYSTEM, Recorded, runs
from .run import Lines, Picture, Rows, Run
from .start import start_run

__all__ = [
    "RUN_VARIABLE",
    "SWEEP_VARIABLE",
    "SYSTEM",
    "Job",
    "Lines",
    "Picture",
    "Recorded",
    "Rows",
    "Run",
    "artifacts",
    "runs",
    "start_run",
    "upload",
]
