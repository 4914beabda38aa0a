"""The shards of one dataset embedded by one model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from clipvec import paths
from clipvec.errors import StoreError
from clipvec.store.fingerprint import Fingerprint
from clipvec.store.folder import Folder
from clipvec.store.schema import part_schema
from clipvec.store.shard import Done, Part, ShardWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa


class Store:
    """A store on a disk, a mounted bucket, or an object store."""

    def __init__(self, folder: Folder, fingerprint: Fingerprint, model: Mapping[str, Any]) -> None:
        self.folder = folder
        self.fingerprint = fingerprint
        self.model = dict(model)
        """The model's configuration, enough to build the encoder again."""

    @property
    def url(self) -> str:
        """Where it lies: an absolute path, or a URL."""
        return self.folder.url

    @classmethod
    def find(cls, url: str) -> Store | None:
        """Return the store at ``url``, or None when there is none yet.

        Raises:
            StoreError: it cannot be read.
        """
        folder = Folder(url)
        try:
            values = json.loads(folder.read(paths.STORE_JSON))
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
                f"there is no store at {Folder(url).url}; make it with python -m clipvec.embed, "
                "or give the same store.root, dataset and model as then"
            )
        return store

    @classmethod
    def create(cls, url: str, fingerprint: Fingerprint, model: Mapping[str, Any]) -> Store:
        """Make the store at ``url``; one made meanwhile by another job is taken as it is.

        Raises:
            StoreError: it cannot be written.
        """
        folder = Folder(url)
        values = {"fingerprint": fingerprint.to_json(), "model": dict(model)}
        if cls.find(url) is None:
            folder.write(paths.STORE_JSON, json.dumps(values, indent=1).encode())
        return cls.open(url)

    def schema(self) -> pa.Schema:
        """Return the Arrow schema of the parts."""
        print_ = self.fingerprint
        return part_schema(print_.model.dim, print_.dtype, print_.thumbnail > 0, print_.attributes)

    def marks(self, among: Iterable[int] | None = None) -> dict[int, Done]:
        """Return the commit marks of those shards that are committed, by shard, ascending.

        The cost is that of a listing of the shards' folders and of the marks, whatever the number
        of parts.

        Args:
            among: the shards to look at; None: all.

        Raises:
            StoreError: a mark cannot be read.
        """
        begun = set(self.folder.folders())
        wanted = range(self.fingerprint.sharding_count) if among is None else sorted(among)
        shards = {
            f"{paths.shard_dir(shard)}/{paths.DONE_JSON}": shard
            for shard in wanted
            if paths.shard_dir(shard) in begun
        }
        found = self.folder.read_each(list(shards))
        return {shards[name]: self._mark(name, shards[name], data) for name, data in found.items()}

    def parts(self, among: Iterable[int] | None = None) -> list[Part]:
        """Return the parts of committed shards, see `marks`."""
        return [part for mark in self.marks(among).values() for part in mark.parts]

    def _mark(self, name: str, shard: int, data: bytes) -> Done:
        try:
            return Done.from_json(data)
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{self.folder.path(name)} is damaged ({error}); remove it and embed "
                f"shards={shard} again"
            ) from error

    def writer(self, shard: int) -> ShardWriter:
        """Return the writer of a shard that is not committed, at the end of its finished parts."""
        return ShardWriter(self.folder, shard, self.schema())

    def read(
        self, part: Part, columns: Sequence[str] | None = None, batch_rows: int = 4096
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a part in batches, so that memory does not depend on its size.

        Raises:
            StoreError: the file is missing or damaged.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with self.folder.open(part.file) as file:
                # neighbouring columns of an object are fetched by one request, a disk has no need
                parquet = pq.ParquetFile(file, pre_buffer=not self.folder.local)
                yield from parquet.iter_batches(batch_rows, columns=columns)
        except (pa.ArrowException, OSError) as error:
            shard = part.file.split("/")[0]
            raise StoreError(
                f"{self.folder.path(part.file)} is missing or damaged ({error}); remove "
                f"{self.folder.path(shard)} and embed shards={int(shard[6:])} again"
            ) from error
