"""Starts a run from a configuration."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from clipvec.errors import one_line
from clipvec.tracking.run import NoopRun

if TYPE_CHECKING:
    from clipvec.config import TrackingConfig
    from clipvec.tracking.run import Run
    from clipvec.tracking.run_spec import RunSpec

log = logging.getLogger(__name__)


def start_run(config: TrackingConfig, spec: RunSpec) -> Run:
    """Return a new run: wandb's, or one that does nothing.

    If wandb does not start, one line says so and the work runs untracked.
    """
    if config.mode == "disabled":
        return NoopRun()
    try:
        from clipvec.tracking.wandb_run import WandbRun

        return WandbRun.open(config, spec)
    except Exception as error:
        log.warning("tracking is off: wandb failed to start (%s)", one_line(error))
        return NoopRun()
