"""Collects the store of a sweep and the runs to show."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipvec import shards
from clipvec.dashboard.panels import all_sections
from clipvec.errors import ConfigError
from clipvec.store import Store
from clipvec.tracking import artifacts, read_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipvec.config import DashboardConfig
    from clipvec.store import CommitMarker
    from clipvec.tracking import RecordedRun


@dataclass(frozen=True)
class SweepRuns:
    """One sweep, or the runs that filled a store without a sweep."""

    name: str
    """Its name; the run's if no sweep was tracked; empty if no run was."""
    others: list[str]
    """The other sweeps of the store, oldest first."""
    store: Store
    markers: list[CommitMarker]
    """The commit markers of the store, whichever run wrote them."""
    runs: dict[str, list[RecordedRun]]
    """By job type: those of the sweep, and the newest of every other type on the same store."""

    @property
    def images(self) -> int:
        """Number of images embedded or rejected."""
        return sum(marker.rows + marker.rejects for marker in self.markers)

    @property
    def reasons(self) -> dict[str, int]:
        """Rejects by error class, most frequent first."""
        counts: Counter[str] = Counter()
        for marker in self.markers:
            counts.update(marker.reasons)
        return dict(counts.most_common())

    @property
    def missing(self) -> str:
        """The shards of the store that are not committed, as `clipvec.shards` writes them."""
        done = {marker.shard for marker in self.markers}
        return shards.format(shard for shard in self.store.shards if shard not in done)


def collect(config: DashboardConfig) -> SweepRuns:
    """Return the runs to show: of the newest sweep, or of the requested one.

    Raises:
        StoreError: there is no store, or it cannot be read.
        ConfigError: no run of the requested sweep is beside it.
    """
    store = Store.open(config.store_url)
    markers = list(store.complete().values())
    recorded = read_runs(config.store.root)
    embedded = [run for run in recorded if run.job_type == "embed" and _fills(run, config)]
    sweeps = list(dict.fromkeys(run.sweep for run in embedded))
    sweep = _choose(config.sweep, sweeps, store.url)
    chosen = {
        "sweep": [run for run in recorded if run.job_type == "sweep" and run.sweep == sweep],
        "embed": [run for run in embedded if run.sweep == sweep],
    }
    of_store = [run for run in recorded if artifacts.store_name(config.collection) in run.artifacts]
    for kind in {section.job_type for section in all_sections()} - set(chosen):
        chosen[kind] = [run for run in of_store if run.job_type == kind][-1:]
    return SweepRuns(sweep, [s for s in sweeps if s != sweep], store, markers, chosen)


def _fills(run: RecordedRun, config: DashboardConfig) -> bool:
    """Return whether a run embeds into the store."""
    names = [run.config.get(section, {}).get("name") for section in ("dataset", "model")]
    return names == [config.dataset.name, config.model.name]


def _choose(asked: str | None, sweeps: Sequence[str], url: str) -> str:
    if asked is None:
        return sweeps[-1] if sweeps else ""
    if asked not in sweeps:
        known = ", ".join(sweeps[-5:]) or "none: they were not tracked"
        raise ConfigError(f"sweep={asked}: no run of it beside {url}; the latest sweeps: {known}")
    return asked
