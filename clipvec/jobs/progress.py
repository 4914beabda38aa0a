"""The progress of a sweep according to its stores, the only authority on finished shards."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from clipvec import shards
from clipvec.jobs.backend import State
from clipvec.progress import counted
from clipvec.store import Store, embedded_by_hardware

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clipvec.jobs.backend import Status
    from clipvec.jobs.plan import Job
    from clipvec.store import CommitMarker, Generation


@dataclass(frozen=True)
class _Committed:
    """What the commit marker of a shard says."""

    images: int
    """Rejects included."""
    embedded: int
    """By the run that committed it, which may not have begun it."""
    seconds: float
    """Of that run."""
    hardware: str

    @classmethod
    def of(cls, marker: CommitMarker) -> _Committed:
        images = marker.rows + marker.rejects
        return cls(images, marker.embedded, marker.seconds, marker.hardware)


_WRITING = {State.RUNNING, State.RECOVERING}
"""States in which files may be on their way to a bucket."""
Key: TypeAlias = tuple[str, int]
"""The URL of a store and the number of a generation."""


def shards_key(job: Job) -> Key:
    """Return what the numbers of a job's shards are relative to."""
    return job.visible_store(), job.generation or 0


class StoreProgress:
    """The committed shards and counted images of some stores; each commit marker is read once."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._wanted: dict[Key, set[int]] = {}
        for job in jobs:
            if job.commits:
                self._wanted.setdefault(shards_key(job), set()).update(job.shards)
        self._generations: dict[Key, Generation] = {}
        """Of the stores that exist."""
        self._shards: dict[Key, dict[int, _Committed]] = {key: {} for key in self._wanted}
        """Of every committed shard, wanted or not, since another sweep's job may wait for it."""
        self._lacking: dict[Key, dict[int, str]] = {}
        """What is missing of shards that have a commit marker, and are not committed for that."""
        self.refresh()

    def refresh(self) -> None:
        """Read the stores again: one listing per store, and the new commit markers.

        Raises:
            StoreError: a store cannot be read.
        """
        for key, known in self._shards.items():
            url, number = key
            store = Store.find(url)
            if store is None:
                continue
            if key not in self._generations:
                generation = self._generations[key] = store.generations.get(number)
                self._wanted[key].intersection_update(range(generation.count))
            first, count = self._generations[key].first, self._generations[key].count
            new = {first + shard for shard in range(count) if shard not in known}
            lacking: dict[int, str] = {}
            markers = store.complete(new, lacking)
            known |= {shard - first: _Committed.of(m) for shard, m in markers.items()}
            self._lacking[key] = {shard - first: what for shard, what in lacking.items()}

    def missing(self, job: Job) -> tuple[int, ...]:
        """Return the uncommitted shards of a job, or of which a file is missing, ascending.

        Works for any job on one of the stores: another sweep's job may have more shards.
        """
        if not job.commits:
            return ()
        key = shards_key(job)
        wanted = set(job.shards)
        if key in self._generations:
            wanted.intersection_update(range(self._generations[key].count))
        return tuple(sorted(wanted.difference(self._shards[key])))

    def begun(self, job: Job) -> bool:
        """Return whether a job's store exists."""
        return shards_key(job) in self._generations

    @property
    def wanted(self) -> int:
        """Number of requested shards."""
        return sum(map(len, self._wanted.values()))

    @property
    def committed(self) -> int:
        """Number of those that are committed."""
        return sum(len(wanted.intersection(self._shards[u])) for u, wanted in self._wanted.items())

    @property
    def images(self) -> int:
        """Images in the committed shards, rejected ones included."""
        return sum(
            committed.images
            for url, wanted in self._wanted.items()
            for shard, committed in self._shards[url].items()
            if shard in wanted
        )

    def images_per_shard(self, job: Job) -> float | None:
        """Return the average number of images of a committed shard of a job's store, if any."""
        committed = self._shards.get(shards_key(job), {}).values()
        return sum(each.images for each in committed) / len(committed) if committed else None

    def embedded(self, job: Job) -> tuple[int, float]:
        """Return how many images of a job's shards were embedded, and in how many seconds."""
        committed = self._shards[shards_key(job)]
        done = [committed[shard] for shard in job.shards if shard in committed]
        return sum(each.embedded for each in done), sum(each.seconds for each in done)

    def rates(self, job: Job) -> dict[str, float]:
        """Return the images/s measured in a job's store, by the name of the hardware."""
        committed = self._shards.get(shards_key(job), {}).values()
        totals = embedded_by_hardware((e.hardware, e.embedded, e.seconds) for e in committed)
        return {name: images / seconds for name, (images, seconds) in totals.items() if name}

    def reconcile(self, job: Job, status: Status, *, forced: bool = False) -> Status:
        """Return a job's status, checking the backend's word against the store.

        Args:
            job: the job.
            status: its status according to the backend.
            forced: its shards may have been committed before it started, so it must end too.
        """
        missing = self.missing(job)
        if job.commits and not missing and (status.state.ended or not forced):
            return replace(status, state=State.SUCCEEDED, detail="")
        lacking = self._said_lacking(missing, job)
        if status.state is State.SUCCEEDED and missing:
            said = (
                f"reported as done, but {counted(len(missing), 'shard')} "
                f"({shards.format(missing)}) not committed in {job.visible_store()}{lacking}"
            )
            return replace(status, state=State.FAILED, detail=said)
        if lacking and status.state not in _WRITING:
            return replace(status, detail=f"{status.detail}{lacking}".removeprefix("; "))
        return status

    def _said_lacking(self, missing: Sequence[int], job: Job) -> str:
        """Return what is not there of ``missing`` shards though it was committed, in words."""
        known = self._lacking.get(shards_key(job), {})
        found = [(shard, known[shard]) for shard in missing if shard in known]
        more = f", and so on in {counted(len(found), 'shard')}" if found[1:] else ""
        return f"; shard {found[0][0]} was committed, but {found[0][1]}{more}" if found else ""


def only_missing(job: Job, progress: StoreProgress) -> Job:
    """Return the job with only its uncommitted shards, if it commits any."""
    if not job.commits:
        return job
    missing = progress.missing(job)
    images = job.images and job.images * len(missing) // max(len(job.shards), 1)
    return replace(job, shards=missing, images=images)
