"""Where rows are whose generations were joined, see `clipvec.store.joining`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipvec import paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class Join:
    """Some generations, one after the other, whose rows are in a shard of a later one."""

    generations: tuple[int, int]
    """Number of the first, and the one after the last."""
    shards: tuple[int, int]
    """Their shards, likewise."""
    into: int
    """The shard that has their rows."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Join:
        """Return a join from its JSON values."""
        first, shards = tuple(values["generations"]), tuple(values["shards"])
        return cls(first, shards, values["into"])


class Joins:
    """All joins of a store."""

    def __init__(self, joins: Iterable[Join] = ()) -> None:
        # what is joined goes into a later shard, which may be joined in its turn
        self._joins = sorted(set(joins), key=lambda join: join.into)
        self.generations = {n for join in self._joins for n in range(*join.generations)}
        """The numbers of the generations that were joined."""

    def shard(self, number: int) -> int:
        """Return the shard that has the rows of one."""
        return self._shards(number)[-1]

    def first(self, number: int) -> int:
        """Return the first of the shards whose rows one has; itself if none was joined into it."""
        for join in reversed(self._joins):
            number = join.shards[0] if join.into == number else number
        return number

    def folder(self, folder: str) -> str:
        """Return the folder of the shard that has the rows of one, by its folder."""
        return self.folders(folder)[-1]

    def folders(self, folder: str) -> list[str]:
        """Return the folder of a shard, and those of all into which its rows came since."""
        number = paths.shard_number(folder) if self._joins else None
        if number is None:
            return [folder]
        return [paths.ShardPaths(shard).folder for shard in self._shards(number)]

    def _shards(self, number: int) -> list[int]:
        found = [number]
        for join in self._joins:
            if join.shards[0] <= found[-1] < join.shards[1]:
                found.append(join.into)
        return found
