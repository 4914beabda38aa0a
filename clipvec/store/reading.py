"""Parts read from a store, each of them compared with what was committed."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from clipvec import paths
from clipvec.errors import FingerprintError, StoreError
from clipvec.store import checksums
from clipvec.store.checksums import THUMBNAIL
from clipvec.store.part import origin, origin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa
    import pyarrow.parquet as pq

    from clipvec.store.commits import Commits
    from clipvec.store.folder import Folder
    from clipvec.store.part import Part


_SOME = 16
"""Shards by which it is decided whether ``store.json`` is theirs, if none says that it is."""


class PartReader:
    """Reads the parts of one store."""

    def __init__(
        self, folder: Folder, commits: Commits, digest: str, schema: Callable[[], pa.Schema]
    ) -> None:
        """Take its markers, the digest of the store, and what returns the schema of its parts."""
        self._folder = folder
        self._commits = commits
        self._digest = digest
        self._schema = schema
        self._compared: dict[str, bool] = {}
        """The parts whose checksum was compared; True: with their thumbnails."""

    def batches(
        self, part: Part, columns: Sequence[str] | None, batch_rows: int
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a part in batches, see `Store.read_all`.

        Raises:
            StoreError: the part is as it was committed, but ``store.json`` does not describe it.
            ArrowException, OSError, ValueError: the file is missing, damaged, or another one.
        """
        whole = columns is None or THUMBNAIL in columns
        known = self._compared.get(part.file)
        if known is None or (whole and not known):
            parquet = self._parquet(checksums.compare(self._folder, part, whole))
            self._check_origin(part, parquet.schema_arrow)
            self._compared[part.file] = whole
            yield from parquet.iter_batches(batch_rows, columns=columns)
        else:
            with self._folder.open(part.file) as file:
                yield from self._parquet(file).iter_batches(batch_rows, columns=columns)

    def _parquet(self, source: Any) -> pq.ParquetFile:
        import pyarrow.parquet as pq

        # fetches neighbouring columns of an object in one request; not needed on disk
        return pq.ParquetFile(source, pre_buffer=not self._folder.local)

    def _check_origin(self, part: Part, schema: pa.Schema) -> None:
        """Refuse a part that was not made as one of its shard of this store."""
        made = origin_of(schema)
        if made == origin(self._digest, part.shard) and schema.equals(self._schema()):
            return
        if not self._is_mine(made):
            self.check_fingerprint()  # who is wrong, the part or store.json?
        raise ValueError(f"it was not made for shard {part.shard} of this store")

    def check_fingerprint(self) -> None:
        """Refuse a ``store.json`` that describes none of some parts; see `Store`."""
        if made := self._made_otherwise():
            raise StoreError(
                f"{self._folder.path(paths.STORE_JSON)} was changed after embed wrote it: {made}; "
                "put the file that was there back, or remove it and run the clipvec embed that "
                "made it again"
            )

    def check_begun(self) -> None:
        """Refuse to write a ``store.json`` that describes none of some parts; see `Store`."""
        if made := self._made_otherwise():
            raise FingerprintError(
                f"{self._folder.path(paths.STORE_JSON)} is gone, and {made}: give the options, "
                "model and device of then, by which it is written again, put the file that was "
                "there back, or embed into another store.root"
            )

    def _made_otherwise(self) -> str:
        """Return what a part was made with, if none of some is of this store; else nothing."""
        wanted, said = self._schema(), ""
        for part, made, schema in islice(self._footers(), _SOME):
            if self._is_mine(made):
                return ""
            differs = [
                f.name for f in wanted if f.name not in schema.names or schema.field(f.name) != f
            ]
            what = f"other columns ({', '.join(differs)})" if differs else "another fingerprint"
            said = said or f"{part} was made with {what}"
        return said

    def _is_mine(self, made: str) -> bool:
        return made.partition("/")[0] == self._digest

    def _footers(self) -> Iterator[tuple[str, str, pa.Schema]]:
        """Yield a part of each shard that has one whose footer can be read, and what that says."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        for parts in self._commits.parts():
            for part in parts:
                try:
                    with self._folder.open(part) as file:
                        schema = pq.read_schema(file)
                    made = origin_of(schema)
                except (pa.ArrowException, OSError, ValueError):
                    continue
                yield part, made, schema
                break
