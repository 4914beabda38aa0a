"""Which generation of a store the shards of a sweep are of, decided once for all of its jobs."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from clipvec.config import EmbedConfig, read_command
from clipvec.embed import ReusedStore, next_generation, publish
from clipvec.errors import DatasetError, MissingPackageError
from clipvec.store import Store, joining, replaced_sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipvec.jobs.plan import Job

log = logging.getLogger(__name__)


def of_one_generation(jobs: Sequence[Job], *, look: bool = True) -> tuple[Job, ...]:
    """Return jobs with their generation; one of what has changed is planned for them.

    Args:
        jobs: of a sweep.
        look: whether to look for changes, and to write what is found.

    Raises:
        ConfigError: the dataset lacks too much.
        StoreError: a store cannot be read or written.
    """
    known: dict[tuple[str, ...], int] = {}
    decided = []
    for job in jobs:
        if job.commits and job.generation is None:
            if job.overrides not in known:
                known[job.overrides] = _generation(job, look)
            number = known[job.overrides]
            # how many images are in a later one is not known
            images = None if number else job.images
            decided.append(replace(job, generation=number, images=images))
        else:
            decided.append(job)
    return tuple(decided)


def _generation(job: Job, look: bool) -> int:
    """Return the generation of a job's store that is to be embedded now."""
    reused = None
    if job.reuse:
        config = read_command("embed", job.overrides, EmbedConfig)
        reused = ReusedStore(config, job.visible_input(job.reuse), whole=True)
    while True:
        store = Store.find(job.visible_store())
        if store is None or not (newest := store.generations.newest()).plan:
            return 0
        if look:
            store = joining.settled(store)
        elif newest.joins and not store.is_published(newest):  # which would be finished first
            return newest.number
        config = read_command("embed", job.overrides, EmbedConfig)
        try:
            generation = next_generation(store, config, look=look, reused=reused)[0]
        except (DatasetError, MissingPackageError) as error:  # jobs may well read it
            log.warning("what is new is not known, since this machine cannot list it: %s", error)
            return newest.number
        unfinished = len(store.complete(generation.shards)) < generation.count
        if not look or store.again().is_published(generation) or unfinished:
            return generation.number
        # all that is left of it, and no job would do it
        sources = replaced_sources(store.generations.plan(generation))
        publish(store, generation, sources, reused)


def in_store(job: Job, store: Store) -> list[int]:
    """Return the shards of a job as its store numbers them."""
    first = store.generations.get(job.generation).first if job.generation else 0
    return [first + shard for shard in job.shards]
