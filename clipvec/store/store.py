"""The shards of one dataset embedded by one model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clipvec import files, paths
from clipvec.errors import StoreError
from clipvec.store.fingerprint import Fingerprint
from clipvec.store.folder import Folder
from clipvec.store.schema import part_schema
from clipvec.store.shard import CommitMarker, Part, ShardWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

_SCHEMA = 3
"""Schema number of ``store.json``."""
_MEND = "use the version of clipvec that made the store, or another store.root"


class Store:
    """A store on a disk, a mounted bucket, or an object store."""

    def __init__(self, folder: Folder, fingerprint: Fingerprint, model: Mapping[str, Any]) -> None:
        self.folder = folder
        self.fingerprint = fingerprint
        self.model = dict(model)
        """The model's configuration, enough to rebuild the encoder."""

    @property
    def url(self) -> str:
        """Its location: an absolute path, or a URL."""
        return self.folder.url

    @classmethod
    def find(cls, url: str) -> Store | None:
        """Return the store at ``url``, or None if there is none yet.

        Raises:
            StoreError: it cannot be read.
        """
        folder = Folder(url)
        try:
            file = folder.path(paths.STORE_JSON)
            values = files.from_json(folder.read(paths.STORE_JSON), _SCHEMA, file, _MEND)
            return cls(folder, Fingerprint.from_json(values["fingerprint"]), values["model"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{folder.path(paths.STORE_JSON)} is not a store's fingerprint ({error}); "
                "is store.root the right folder?"
            ) from error

    @classmethod
    def open(cls, url: str) -> Store:
        """Return the store at ``url``.

        Raises:
            StoreError: there is none, or it cannot be read.
        """
        store = cls.find(url)
        if store is None:
            raise StoreError(
                f"there is no store at {Folder(url).url}; create it with python -m clipvec.embed, "
                "or give the same store.root, dataset and model as then"
            )
        return store

    @classmethod
    def create(cls, url: str, fingerprint: Fingerprint, model: Mapping[str, Any]) -> Store:
        """Create the store at ``url``, or adopt one that another job created meanwhile.

        Raises:
            StoreError: it cannot be written.
        """
        folder = Folder(url)
        values = {"fingerprint": fingerprint.to_json(), "model": dict(model)}
        if cls.find(url) is None:
            folder.write(paths.STORE_JSON, files.to_json(values, _SCHEMA))
        return cls.open(url)

    def schema(self) -> pa.Schema:
        """Return the Arrow schema of the parts."""
        known = self.fingerprint
        return part_schema(known.model.dim, known.dtype, known.thumbnail > 0, known.attributes)

    def committed(self, among: Iterable[int] | None = None) -> dict[int, CommitMarker]:
        """Return the commit markers of the committed shards, by shard, ascending.

        This lists the shards' folders and reads the markers; the number of parts does not matter.

        Args:
            among: the shards to look at; None: all.

        Raises:
            StoreError: a marker cannot be read.
            SchemaError: a different version of clipvec wrote one.
        """
        begun = set(self.folder.folders())
        wanted = range(self.fingerprint.sharding_count) if among is None else sorted(among)
        shards = {
            paths.ShardPaths(shard).done: shard
            for shard in wanted
            if paths.ShardPaths(shard).folder in begun
        }
        contents = self.folder.read_each(list(shards))
        return {
            shards[name]: self._marker(name, shards[name], data) for name, data in contents.items()
        }

    def parts(self, among: Iterable[int] | None = None) -> list[Part]:
        """Return the parts of committed shards, see `committed`."""
        return [part for marker in self.committed(among).values() for part in marker.parts]

    def _marker(self, name: str, shard: int, data: bytes) -> CommitMarker:
        file, mend = self.folder.path(name), f"remove it and embed shards={shard} again"
        try:
            return CommitMarker.from_json(data, file, mend)
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{file} is damaged ({error}); {mend}") from error

    def writer(self, shard: int) -> ShardWriter:
        """Return the writer of an uncommitted shard, positioned after its finished parts."""
        return ShardWriter(self.folder, shard, self.schema())

    def read(
        self, part: Part, columns: Sequence[str] | None = None, batch_rows: int = 4096
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a part in batches, so memory does not depend on its size.

        Raises:
            StoreError: the file is missing or damaged.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with self.folder.open(part.file) as file:
                # fetches neighbouring columns of an object in one request; not needed on disk
                parquet = pq.ParquetFile(file, pre_buffer=not self.folder.local)
                yield from parquet.iter_batches(batch_rows, columns=columns)
        except (pa.ArrowException, OSError) as error:
            shard = part.file.split("/")[0]
            raise StoreError(
                f"{self.folder.path(part.file)} is missing or damaged ({error}); remove "
                f"{self.folder.path(shard)} and embed shards={int(shard[6:])} again"
            ) from error
