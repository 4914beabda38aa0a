"""From a configuration to a run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from clipvec.errors import one_line
from clipvec.tracking.run import Untracked

if TYPE_CHECKING:
    from clipvec.config import TrackingConfig
    from clipvec.tracking.job import Job
    from clipvec.tracking.run import Run

log = logging.getLogger(__name__)


def start_run(config: TrackingConfig, job: Job) -> Run:
    """Return the run of a job: wandb's, or one that nobody listens to.

    Tracking that cannot start is said in one line; the work goes on without it.
    """
    if config.mode == "disabled":
        return Untracked()
    try:
        from clipvec.tracking.wandb_run import WandbRun

        return WandbRun.open(config, job)
    except Exception as error:
        log.warning("nothing is tracked: wandb does not start (%s)", one_line(error))
        return Untracked()
