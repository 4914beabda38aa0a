"""Parts read from a store, each of them compared with what was committed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clipvec import paths
from clipvec.errors import StoreError
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
        other = None
        for marker in self._commits.some():
            for part in marker.parts[:1]:
                if (schema := self._schema_of(part)) is None:
                    continue
                if self._is_mine(origin_of(schema)):
                    return
                other = other or (part, schema)
        if other is not None:
            raise self._edited(*other)

    def _is_mine(self, made: str) -> bool:
        return made.partition("/")[0] == self._digest

    def _schema_of(self, part: Part) -> pa.Schema | None:
        """Return what the footer of a part says; None: it cannot be read."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with self._folder.open(part.file) as file:
                return pq.read_schema(file)
        except (pa.ArrowException, OSError, ValueError):
            return None

    def _edited(self, part: Part, schema: pa.Schema) -> StoreError:
        wanted = self._schema()
        differs = [
            f.name for f in wanted if f.name not in schema.names or schema.field(f.name) != f
        ]
        what = f"other columns ({', '.join(differs)})" if differs else "another fingerprint"
        return StoreError(
            f"{self._folder.path(paths.STORE_JSON)} was changed after embed wrote it: "
            f"{part.file} was made with {what}; put the file that was there back, or embed into "
            "another store.root"
        )
