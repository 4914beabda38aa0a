"""A FAISS index on disk, opened for search."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec.errors import CollectionError, ConfigError
from clipvec.index.base import Capabilities
from clipvec.index.faiss.factory import FLAT
from clipvec.index.faiss.lists import MappedLists
from clipvec.index.faiss.manifest import REBUILD, Manifest
from clipvec.index.lock import locked
from clipvec.index.mapped import TableIndex
from clipvec.index.rows import RowsTable
from clipvec.paths import IndexPaths

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from clipvec.config import FaissConfig
    from clipvec.index.base import BuildStats, Hit
    from clipvec.index.filters import Filter
    from clipvec.paths import FaissPaths

NPROBE, CANDIDATES = 64, 200
"""Search settings of an index on which none were set."""
_FEW = 2**24
"""Numbers of vectors of rows that a filter admits, up to which all are compared."""
_MOST_PROBES = 8
"""How many times as many lists are looked into under a filter, at most."""
_ROWS_A_CANDIDATE = 2
"""Rows of the lists looked into, for each candidate."""
SETTINGS = ("nprobe", "candidates")
log = logging.getLogger(__name__)


class FaissIndex(TableIndex):
    """Lists of short codes find candidates, which are ranked by their vectors."""

    def __init__(self, name: str, files: FaissPaths, config: FaissConfig, manifest: Path) -> None:
        """Open a build.

        Args:
            name: of the index.
            files: of the index.
            config: search settings in it go before those that were set on the index.
            manifest: file that names the build.

        Raises:
            CollectionError: a file of it is gone, cut off or changed.
            SchemaError: another version of clipvec built it.
        """
        self.name, self.location = name, str(files.folder)
        self._file, self.manifest = manifest, Manifest.read(manifest)
        self._lock = IndexPaths(config.path).lock(name)
        self.info = self.manifest.index_info(self.location)
        build = files.build(self.manifest.build_id)
        self.manifest.check(*(build.folder / name for name in self.manifest.files))
        self.rows_folder = build.folder
        rows = self.manifest.rows
        table = RowsTable.checked(build.folder, REBUILD) if rows else RowsTable.empty(self.dim)
        if len(table) != rows:
            raise CollectionError(
                f"{build.folder} has {len(table):,} rows, {self._file.name} names {rows:,}; "
                f"{REBUILD}"
            )
        self._table = self.table = table
        exact = self.manifest.factory == FLAT
        self._lists = None if exact else MappedLists.open(build)
        self.capabilities = Capabilities(exact=exact, mapped=True)
        known = {"nprobe": NPROBE, "candidates": CANDIDATES, **self.manifest.search}
        given = {"nprobe": config.nprobe, "candidates": config.candidates}
        self._search = known | {key: value for key, value in given.items() if value is not None}

    def close(self) -> None:
        """Release nothing: what is mapped goes with the last that holds it."""

    @property
    def settings(self) -> dict[str, Any]:
        """The factory string, and the search settings of an index of lists."""
        search = {} if self._lists is None else self._search
        return {"factory": self.manifest.factory, **search}

    def set_search_settings(self, settings: Mapping[str, Any]) -> None:
        """Change ``nprobe`` and ``candidates`` for processes that open the index from now on.

        Raises:
            ConfigError: there is no such setting.
            CollectionError: an index command runs, or has published another build since.
        """
        if wrong := set(settings) - set(SETTINGS):
            raise ConfigError(
                f"{self.location}: {', '.join(sorted(wrong))}; only {' and '.join(SETTINGS)} can "
                "change"
            )
        try:
            with locked(self.location, self._lock):
                now = Manifest.read(self._file)
                if now.build_id != self.build_id:
                    raise CollectionError(
                        f"{self.location} was built again since it was opened; run the same "
                        "command again"
                    )
                search = {**now.search, **{key: int(v) for key, v in settings.items()}}
                self.manifest = replace(now, search=search)
                self.manifest.write(self._file)
        except OSError as error:
            raise CollectionError(f"{self._file} cannot be written: {error}") from error

    @property
    def build_id(self) -> str:
        """A different text for every build."""
        return self.manifest.build_id

    @property
    def build_stats(self) -> BuildStats | None:
        """What the build took; None: some of it was taken from the index before."""
        return self.manifest.build_stats

    def nearest(
        self, vectors: np.ndarray, k: int, where: Filter | None = None
    ) -> list[tuple[list[str], list[float]]]:
        """Return the ids and cosines that the lists lead to for each vector, best first."""
        found = self._nearest(vectors, k, self._admitted(where))
        return [(self._table.ids(rows), scores.clip(-1, 1).tolist()) for rows, scores in found]

    def search(self, vectors: np.ndarray, k: int, where: Filter | None) -> list[list[Hit]]:
        """Return the rows closest to each vector, best first."""
        among = self._admitted(where)
        found = self._nearest(vectors, k, among)
        count = min(k, len(self._table) if among is None else len(among))
        if short := [i for i, (rows, _) in enumerate(found) if len(rows) < count]:
            log.info("%s: found fewer than %d rows; searching exactly", self.name, count)
            for i, exact in zip(short, self._table.nearest(vectors[short], k, among), strict=True):
                found[i] = exact
        return [self._table.hits(*pair) for pair in found]

    def _admitted(self, where: Filter | None) -> np.ndarray | None:
        return None if where is None else self._table.admitted(where)

    def _nearest(
        self, vectors: np.ndarray, k: int, among: np.ndarray | None
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return rows and cosines, best first, of the candidates of each vector."""
        few = among is not None and len(among) * self.dim <= _FEW
        if self._lists is None or few:
            return self._table.nearest(vectors, k, among)
        candidates = min(max(k, self._search["candidates"]), len(self._table))
        found = self._lists.search(vectors, candidates, self._nprobe(candidates, among), among)
        return [
            self._table.nearest(vectors[i : i + 1], k, np.sort(rows[rows >= 0]))[0]
            for i, rows in enumerate(found)
        ]

    def _nprobe(self, candidates: int, among: np.ndarray | None) -> int:
        """Return the lists to look into: more for many candidates, or under a filter."""
        assert self._lists is not None
        lists, rows = self._lists.nlist, len(self._table)
        nprobe = self._search["nprobe"]
        if among is not None:
            nprobe *= min(_MOST_PROBES, -(-rows // len(among)))
            rows = len(among)
        return min(lists, max(nprobe, -(-_ROWS_A_CANDIDATE * candidates * lists // rows)))
