"""What there is to show of a sweep: its store, and the runs that tell of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipvec import paths, shards
from clipvec.errors import ConfigError
from clipvec.store import Store
from clipvec.tracking import artifacts, read_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipvec.config import DashboardConfig
    from clipvec.store import CommitMarker
    from clipvec.tracking import RecordedRun


@dataclass(frozen=True)
class Board:
    """One sweep, or what else filled a store."""

    sweep: str
    """Its name; that of a run where no sweep was tracked; empty where nothing was."""
    others: list[str]
    """The other sweeps of the store, the oldest first."""
    store: Store
    marks: list[CommitMarker]
    """The commit markers of the store, whoever wrote them."""
    runs: dict[str, list[RecordedRun]]
    """Of the sweep by job type, and the newest of an index and of a report on the same store."""

    @property
    def images(self) -> int:
        """Images that are dealt with, embedded or rejected."""
        return sum(mark.rows + mark.rejects for mark in self.marks)

    @property
    def reasons(self) -> dict[str, int]:
        """Rejects by error class, most first."""
        counts: Counter[str] = Counter()
        for mark in self.marks:
            counts.update(mark.reasons)
        return dict(counts.most_common())

    @property
    def missing(self) -> str:
        """The shards of the store that are not committed, as `clipvec.shards` writes them."""
        done = {mark.shard for mark in self.marks}
        count = self.store.fingerprint.sharding_count
        return shards.format(shard for shard in range(count) if shard not in done)


def gather(config: DashboardConfig) -> Board:
    """Return what there is to show.

    Raises:
        StoreError: there is no store, or it cannot be read.
        ConfigError: no run of the sweep is beside it.
    """
    url = paths.store_dir(config.store.root, config.dataset.name, config.model.name)
    store = Store.open(url)
    name = paths.collection_name(config.dataset.name, config.model.name)
    marks = list(store.committed().values())
    found = read_runs(config.store.root)
    embedded = [run for run in found if run.job_type == "embed" and _fills(run, config)]
    sweeps = list(dict.fromkeys(run.sweep for run in embedded))
    sweep = _chosen(config.sweep, sweeps, store.url)
    shown = {
        "sweep": [run for run in found if run.job_type == "sweep" and run.sweep == sweep],
        "embed": [run for run in embedded if run.sweep == sweep],
    }
    for kind in ("index", "recall"):
        of_store = [
            r for r in found if r.job_type == kind and artifacts.store_name(name) in r.artifacts
        ]
        shown[kind] = of_store[-1:]
    return Board(sweep, [s for s in sweeps if s != sweep], store, marks, shown)


def _fills(run: RecordedRun, config: DashboardConfig) -> bool:
    """Return whether a run embeds into the store."""
    names = [run.config.get(section, {}).get("name") for section in ("dataset", "model")]
    return names == [config.dataset.name, config.model.name]


def _chosen(asked: str | None, sweeps: Sequence[str], url: str) -> str:
    if asked is None:
        return sweeps[-1] if sweeps else ""
    if asked not in sweeps:
        known = ", ".join(sweeps[-5:]) or "none: they were not tracked"
        raise ConfigError(f"sweep={asked}: no run of it beside {url}; the last ones: {known}")
    return asked
