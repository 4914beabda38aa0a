"""The commit markers of a store, and whether all that they name is there."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from clipvec import paths
from clipvec.errors import SchemaError, StoreError
from clipvec.store.part import ledger_rows
from clipvec.store.shard import CommitMarker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from clipvec.errors import ClipvecError
    from clipvec.store.folder import Folder
    from clipvec.store.part import LedgerRow


class Commits:
    """Reads the commit markers of a store, and compares them with what is listed."""

    def __init__(self, folder: Folder, again: Callable[[int], str]) -> None:
        """Take the store's folder, and what names a shard for a message: ``shards=7``."""
        self._folder = folder
        self._again = again

    def begun(self) -> list[int]:
        """Return the numbers of the shards that have a folder, ascending."""
        numbers = map(paths.shard_number, self._folder.folders())
        return sorted(number for number in numbers if number is not None)

    def parts(self) -> Iterator[list[str]]:
        """Yield the files of parts in the folder of each shard, committed or not."""
        for shard in self.begun():
            folder = paths.ShardPaths(shard).folder
            found = (
                name for name in self._folder.names(folder) if paths.part_number(name) is not None
            )
            yield [f"{folder}/{name}" for name in found]

    def read(
        self, wanted: Iterable[int], faults: list[ClipvecError] | None
    ) -> dict[int, CommitMarker]:
        """Return the markers of those shards that have one, ascending; see `Store.committed`."""
        begun = set(self._folder.folders())
        shards = {
            paths.ShardPaths(shard).done: shard
            for shard in sorted(wanted)
            if paths.ShardPaths(shard).folder in begun
        }
        markers = {}
        for name, data in self._folder.read_each(list(shards)).items():
            try:
                markers[shards[name]] = self._parse(name, shards[name], data)
            except (StoreError, SchemaError) as error:
                if faults is None:
                    raise
                faults.append(error)
        return markers

    def complete(self, wanted: Iterable[int], lacking: dict[int, str]) -> dict[int, CommitMarker]:
        """Return the markers of the shards that are whole, ascending; see `Store.complete`."""
        markers = self.read(wanted, None)
        sizes: dict[str, int | None] = {}
        sizes |= self._folder.sizes([paths.ShardPaths(shard).folder for shard in markers])
        doubted = [marker for marker in markers.values() if _lacks(marker, sizes)]
        for name in (name for marker in doubted for name in _names(marker)):
            sizes[name] = self._folder.size(name)  # work is not done again for what a listing lacks
        wrong = {marker.shard: what for marker in doubted if (what := _lacks(marker, sizes))}
        again = self.read(wrong, None) if wrong else {}
        if any(again.get(shard) != markers[shard] for shard in wrong):
            return self.complete(markers, lacking)  # compacted meanwhile, perhaps
        lacking |= wrong
        return {shard: marker for shard, marker in markers.items() if shard not in wrong}

    def _parse(self, name: str, shard: int, data: bytes) -> CommitMarker:
        file, mend = self._folder.path(name), f"remove it and embed {self._again(shard)} again"
        try:
            return CommitMarker.from_json(data, shard, file, mend)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"{file} is damaged ({error}); {mend}") from error

    def rejects(self, markers: Sequence[CommitMarker]) -> dict[int, list[LedgerRow]]:
        """Return the reject ledgers of committed shards, see `Store.rejects`."""
        ledgers = [paths.ShardPaths(marker.shard).rejects for marker in markers if marker.rejects]
        found = self._folder.read_each(ledgers)
        return {marker.shard: self._ledger(marker, found) for marker in markers}

    def _ledger(self, marker: CommitMarker, found: Mapping[str, bytes]) -> list[LedgerRow]:
        place = paths.ShardPaths(marker.shard)
        try:
            rows = ledger_rows(found[place.rejects]) if place.rejects in found else []
            seen = Counter(row["error"] for row in rows)
            if seen != Counter(marker.reasons):
                said, counted = _counted(seen), _counted(Counter(marker.reasons))
                raise ValueError(f"it has {said}, done.json counts {counted}")
        except (OSError, KeyError, ValueError) as error:
            raise StoreError(
                f"{self._folder.path(place.rejects)} is missing or damaged ({error}): remove the "
                f"folder {self._folder.path(place.folder)} and embed "
                f"{self._again(marker.shard)} again"
            ) from error
        return [tuple(row.values()) for row in rows]


def _counted(reasons: Counter[str]) -> str:
    return ", ".join(f"{count:,} {error}" for error, count in reasons.most_common()) or "none"


def _names(marker: CommitMarker) -> list[str]:
    """Return the files that a marker names."""
    ledger = [paths.ShardPaths(marker.shard).rejects] if marker.rejects else []
    return [*(part.file for part in marker.parts), *ledger]


def _lacks(marker: CommitMarker, sizes: Mapping[str, int | None]) -> str:
    """Return what is missing or short of what a marker names; empty: nothing.

    Args:
        marker: of a shard.
        sizes: bytes of the files in its folder, and in others; None: there is no such file.
    """
    for part in marker.parts:
        found = sizes.get(part.file)
        if found is None:
            return f"{part.file} is missing"
        if found != part.bytes:
            return f"{part.file} has {found:,} bytes, {part.bytes:,} were committed"
    ledger = paths.ShardPaths(marker.shard).rejects
    return f"{ledger} is missing" if marker.rejects and sizes.get(ledger) is None else ""
