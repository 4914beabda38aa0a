from . import artifacts, wandb_sdk
from .reader import SYSTEM_PREFIX, RecordedRun, read_runs
from .run import ImageCell, LineChart, Run, Table
from .run_spec import RUN_VARIABLE, SWEEP_VARIABLE, RunSpec
from .start import start_run

__all__ = [
    "RUN_VARIABLE",
    "SWEEP_VARIABLE",
    "SYSTEM_PREFIX",
    "ImageCell",
    "LineChart",
    "RecordedRun",
    "Run",
    "RunSpec",
    "Table",
    "artifacts",
    "read_runs",
    "start_run",
    "wandb_sdk",
]
