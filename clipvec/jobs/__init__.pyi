from .backend import Backend, State, Status
from .grouping import group_shards
from .launch import check, launch_sweep
from .plan import Job, Sweep
from .skypilot.checks import is_below, is_shared
from .skypilot.client import connect, require_server, status_name
from .skypilot.tasks import as_yaml, install_and_run
from .skypilot.workdir import pack

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
    "require_server",
    "status_name",
]
