from .backend import Backend, State, Status
from .grouping import group_shards
from .launch import check, launch_sweep
from .plan import Job, Sweep
from .skypilot.checks import is_below, is_shared
from .skypilot.client import connect, require_server, status_name, to_task
from .skypilot.tasks import as_yaml, install_and_run
from .skypilot.workdir import pack
from .sweep_forecast import price_per_hour

__all__ = [
    "Backend",
    "Job",
    "State",
    "Status",
    "Sweep",
    "as_yaml",
    "check",
    "connect",
    "group_shards",
    "install_and_run",
    "is_below",
    "is_shared",
    "launch_sweep",
    "pack",
    "price_per_hour",
    "require_server",
    "status_name",
    "to_task",
]
