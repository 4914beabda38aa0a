"""The map: where the rows of the collection are on a plane, as the store has it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import shlex
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from clipvec import paths
from clipvec.errors import ClipvecError, ConfigError, StoreError
from clipvec.index import PART, facets
from clipvec.projection import NOWHERE, StoredProjection
from clipvec.store import Folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clipvec.index import VectorIndex
    from clipvec.store import Tombstones

_SECONDS = 5.0
"""Between two looks for another projection."""
Result = TypeVar("Result")
log = logging.getLogger(__name__)


class NotOnMap(ConfigError):
    """There is no map, or no such point on it."""


class OtherMap(ConfigError):
    """The numbers of points are those of another map."""


@dataclass(frozen=True)
class Points:
    """All points, as browsers take them."""

    data: bytes
    """uint16 [N, 2], little-endian, 0 to 65534; 65535: a deleted row."""
    tag: str
    """What tells them from others."""
    map: str
    """Digest of the rows: the number of a point means the same where it is the same."""


@dataclass(frozen=True)
class _Held:
    """A projection, and what is deleted of it."""

    stamp: str
    projection: StoredProjection
    known: Tombstones
    deleted: np.ndarray
    """int64 [M], ascending."""
    points: Points


class MapPoints:
    """Reads the projection when somebody looks at the map, and again when it is another.

    The work is done in a thread of its own. Memory is 8 bytes a row, and the ids.
    """

    def __init__(self, collection: VectorIndex) -> None:
        self._collection = collection
        self._thread = ThreadPoolExecutor(1, "map")
        self._held: _Held | None = None
        self._refusal: tuple[type[ClipvecError], str] | None = None
        """What the last look found in place of a map."""
        self._looked = -_SECONDS

    async def points(self) -> Points:
        """Return all points; a point's number is its place among them.

        Raises:
            NotOnMap: the store has no projection.
            StoreError: it is damaged, or cannot be read.
        """
        return await self._run(lambda: self._read().points)

    async def id(self, number: int, map: str | None = None) -> str:
        """Return the id of the row of a point.

        Args:
            number: of the point.
            map: of `Points` to which it belongs; None: to those of now.

        Raises:
            OtherMap: the points of now are of another map.
            NotOnMap: there is no such point, or its row was deleted.
            StoreError: see `points`.
        """
        return await self._run(lambda: self._id(number, map))

    async def find(self, ids: Sequence[str], map: str | None = None) -> list[int]:
        """Return the points of those of some rows that are on the map, in the order of ``ids``.

        Raises:
            OtherMap: see `id`.
            NotOnMap, StoreError: see `points`.
        """
        return await self._run(lambda: self._find(ids, map))

    def close(self) -> None:
        """Finish running work."""
        self._thread.shutdown()

    async def _run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _id(self, number: int, map: str | None) -> str:
        held = self._read(map)
        if number >= len(held.projection.points) or _among(number, held.deleted):
            raise NotOnMap(f"there is no point {number} on the map")
        return str(held.projection.ids[number].as_py())

    def _find(self, ids: Sequence[str], map: str | None) -> list[int]:
        import pyarrow as pa
        import pyarrow.compute as pc

        held = self._read(map)
        there = pc.is_in(held.projection.ids, value_set=pa.array(ids, pa.string()))
        numbers = np.setdiff1d(np.flatnonzero(there.to_numpy()), held.deleted, assume_unique=True)
        named = held.projection.ids.take(pa.array(numbers)).to_pylist()
        places = dict(zip(named, numbers.tolist(), strict=True))
        return [places[id] for id in dict.fromkeys(ids) if id in places]

    def _read(self, map: str | None = None) -> _Held:
        """Return the projection as it is now, without what is deleted; it must be that ``map``."""
        held = self._held
        recent = time.monotonic() - self._looked < _SECONDS
        if held is None and recent and self._refusal is not None:
            kind, reason = self._refusal
            raise kind(reason)
        if held is None or not recent:
            held = self._look_again(held)
        known = self._collection.tombstones()
        if held.known is not known:
            held = _without(held.stamp, held.projection, known)
        self._held = held
        if map is not None and map != held.points.map:
            raise OtherMap("the map is another one now; get /map/points again")
        return held

    def _look_again(self, held: _Held | None) -> _Held:
        try:
            return self._look()
        except (NotOnMap, StoreError) as error:
            self._refusal = type(error), str(error)
            if held is None or isinstance(error, NotOnMap):
                raise
            log.warning("the map stays as it was: %s", error)
            return held

    def _look(self) -> _Held:
        """Return the projection that the store has now."""
        self._looked = time.monotonic()
        folder = Folder(self._collection.info.store)
        stamp, held = folder.stamp(paths.PROJECTION), self._held
        if stamp is not None and held is not None and held.stamp == stamp:
            return held
        projection = None if stamp is None else StoredProjection.read(folder)
        if stamp is None or projection is None:
            self._held = None
            raise NotOnMap(_mend(self._collection))
        return _without(stamp, projection, self._collection.tombstones())


def _mend(collection: VectorIndex) -> str:
    """Say how a map is made; the path of the store is for the log, and not for clients."""
    names = {
        "dataset": collection.fingerprint.dataset["name"],
        "model": collection.model_config.name,
    }
    command = "clipvec projection " + " ".join(
        f"{key}.name={shlex.quote(str(name))}" for key, name in names.items()
    )
    log.info("there is no projection in %s; %s makes it", collection.info.store, command)
    return f"there is no map of this collection yet; make it with {command}"


def _without(stamp: str, projection: StoredProjection, known: Tombstones) -> _Held:
    columns = {"id": projection.ids, PART: projection.parts}
    deleted = facets.deleted(columns, known, removed=True)
    points = projection.points.astype("<u2")
    points[deleted] = NOWHERE
    data = points.tobytes()
    tag = hashlib.blake2b(data, digest_size=12).hexdigest()
    return _Held(stamp, projection, known, deleted, Points(data, tag, projection.rows))


def _among(number: int, numbers: np.ndarray) -> bool:
    at = int(np.searchsorted(numbers, number))
    return at < len(numbers) and int(numbers[at]) == number
