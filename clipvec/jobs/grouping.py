"""How many shards each job of a sweep does, where ``hydra.sweeper.shards_per_job=auto``."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from clipvec import config, shards
from clipvec.errors import ConfigError, StoreError
from clipvec.jobs.forecast import Forecast, describe, number_of_jobs
from clipvec.jobs.progress import StoreProgress
from clipvec.jobs.sweep_forecast import UNKNOWN_IMAGES, Outlook
from clipvec.progress import counted

if TYPE_CHECKING:
    from pathlib import Path

    from clipvec.config import LauncherKind
    from clipvec.jobs.backend import Backend
    from clipvec.jobs.plan import Job

log = logging.getLogger(__name__)
_AUTO = "hydra.sweeper.shards_per_job=auto"


def group_shards(job: Job, launcher: LauncherKind, root: Path) -> list[tuple[int, ...]]:
    """Return the shards of each job, so that starting takes at most a fifth of its time; say why.

    Args:
        job: one that would do all shards.
        launcher: what starts the jobs.
        root: the folder of all sweeps.

    Raises:
        ConfigError: images or speed are not known, with what to set.
    """
    config.load_env()
    runs: Backend = launcher.load()()
    try:
        progress = StoreProgress([job])
    except StoreError:  # a dry run shows more than this; a start says it in its turn
        progress = StoreProgress(())
    (outlook,) = Outlook.of([job], launcher, runs, progress, root)
    images = outlook.images
    if outlook.machine is None:
        names = ", ".join(each.name for each in outlook.machines)
        raise ConfigError(
            f"{_AUTO}: the speed of model.arch={job.arch} on {names or 'these machines'} is not "
            "known; give a number of shards, or run a sweep with launcher.first=1 to measure it"
        )
    if images is None:
        raise ConfigError(f"{_AUTO}: {UNKNOWN_IMAGES}; or give a number of shards")
    count, machine = number_of_jobs([job], images, outlook.machines, launcher)
    assert machine.speed is not None
    groups = shards.split(job.shards, count, machine.gpus)
    forecast = Forecast.of(len(groups), images, machine.speed, machine.price, launcher)
    log.info(
        "%s: %s of %s, %.0f%% of the time starting, for %s images a shard on %s (%s)",
        _AUTO,
        counted(len(groups), "job"),
        counted(len(groups[0]), "shard"),
        100 * forecast.starting,
        f"{images / len(job.shards):,.0f}",
        machine.label,
        describe(machine.speed),
    )
    return groups
