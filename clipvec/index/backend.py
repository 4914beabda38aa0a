"""What a backend has to offer so that `build_index` can build its indexes.

``open_index`` and ``build_index`` know a backend by these two protocols and `VectorIndex` alone.
docs/extending.md has a small one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, cast

from clipvec.errors import FingerprintError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import numpy as np
    import pyarrow as pa

    from clipvec.config import IndexCommandConfig, IndexKind
    from clipvec.index.base import BuildStats, IndexInfo, VectorIndex
    from clipvec.store import LivePart, Store


@dataclass(frozen=True)
class LedgerEntry:
    """What the ledger of an index says of one part file of the store."""

    sha256: str
    state: Literal["loading", "loaded"]
    deletions: str = ""
    """`LivePart.deletions`: which of its rows are deleted, and so not in the index."""

    @classmethod
    def of(cls, part: LivePart, state: Literal["loading", "loaded"] = "loaded") -> LedgerEntry:
        """Return the entry of a part."""
        return cls(part.sha256, state, part.deletions)


class IndexWriter(Protocol):
    """An index that is being filled; used as a context, which closes it."""

    location: str
    """Folder or URL, for messages."""
    max_batch_rows: int | None
    """Rows that one `add` takes; None: any number."""
    rows_folder: Path | None = None
    """Folder for the table of the rows, which `IndexBackend.publish` moves along; None: none."""
    rebuild_hint: str
    """Options of ``clipvec index`` for an index that finds more of its rows."""

    def prepare(self, parts: Sequence[LivePart]) -> None:
        """Learn from the parts that the index will hold, in their order, before all else.

        A backend that takes rows as they come has nothing to prepare.

        Raises:
            StoreError: a part cannot be read.
        """

    def ledger(self) -> dict[str, LedgerEntry]:
        """Return the part files that the index holds, wholly or in part."""
        ...

    def drop(self, files: Iterable[str]) -> None:
        """Delete the rows of part files, then their ledger entries."""
        ...

    def delete(self, file: str, ids: Sequence[str]) -> None:
        """Delete those rows of a part file that have one of ``ids``; some may not be there."""
        ...

    def loading(self, parts: Sequence[LivePart]) -> AbstractContextManager[None]:
        """Mark parts in the ledger: as loading on entry, as loaded when their rows are right."""
        ...

    def add(self, vectors: np.ndarray, rows: pa.Table) -> None:
        """Add rows of the parts that are loading.

        Args:
            vectors: float32 [N, D].
            rows: N rows with the columns ``id``, ``uri``, ``caption``, ``width``, ``height``, the
                attributes, and `PART` and `ROW` of `clipvec.index.base`.

        Raises:
            CollectionError: an id occurs twice, or is in the index already; none is added.
        """
        ...

    def finish(self) -> VectorIndex:
        """Make all rows searchable, and return the index to verify; the writer closes it."""
        ...

    def count_part(self, file: str) -> int:
        """Return the number of rows from a part file, to explain a wrong count."""
        ...

    def set_expected_rows(self, rows: int | None) -> None:
        """Record for a new index how many rows its first loading brings; None: it is verified.

        A backend whose indexes appear when they are complete has nothing to record.
        """

    def set_build_stats(self, stats: BuildStats | None) -> None:
        """Record what a build from nothing took in this run; None: several runs built the index.

        A backend that keeps what each of several jobs took has nothing to record.
        """

    def __enter__(self) -> IndexWriter:
        """Return the writer."""
        ...

    def __exit__(self, *_: object) -> None:
        """Close it; what was added stays."""
        ...


class IndexBackend(Protocol):
    """All indexes of one ``index`` section of the configuration."""

    keeps_bytes: bool = True
    """Whether the files of an index keep bytes of rows that were deleted from it."""

    def names(self) -> list[str]:
        """Return the names of the complete indexes."""
        ...

    def begun(self) -> list[str]:
        """Return the names of the indexes, those too of which a killed command left but pieces."""
        return self.names()

    def leftovers(self, name: str) -> list[Path]:
        """Return what belongs to no index, and could not be removed by `exclusive` or `publish`."""
        return []

    def state(self, name: str) -> str | None:
        """Return what tells one of `names` from the index that is published after it.

        None: it is changing, and will differ when that is done. A backend that cannot tell returns
        the same text always; whoever has its index open keeps that until it ends.
        """
        return ""

    def open(self, name: str) -> VectorIndex:
        """Return one of `names`, opened.

        Raises:
            CollectionError: clipvec did not build it.
            SchemaError: another version of clipvec built it.
        """
        ...

    def exclusive(self, name: str) -> AbstractContextManager[None]:
        """Keep other commands from filling an index, and clean up after an interrupted one.

        Raises:
            CollectionError: another command is filling it.
        """
        ...

    def encode(
        self,
        name: str,
        store: Store,
        command: IndexCommandConfig,
        parts: Sequence[LivePart],
        mine: Sequence[LivePart],
    ) -> list[LivePart]:
        """Prepare some parts of an index for `begin`, as one of several jobs at once.

        After it `exclusive` waits for other jobs. Backends whose kind says `IndexKind.by_shards`
        have it.

        Args:
            name: of the index.
            store: of the rows.
            command: what to build.
            parts: all that the index will hold.
            mine: those to prepare.

        Returns:
            The parts that no job has prepared yet.

        Raises:
            CollectionError: the index cannot be written.
            StoreError: a part cannot be read.
        """
        raise NotImplementedError

    def begin(self, name: str, store: Store, command: IndexCommandConfig) -> IndexWriter:
        """Return a writer for the index of ``store``, or for its replacement with ``rebuild``.

        Raises:
            CollectionError: clipvec did not build what is there, or with other settings.
            FingerprintError: it holds vectors of another model or dataset.
        """
        ...

    def published(self, name: str) -> str:
        """Return what tells the published build of an index from others; empty: there is none.

        Backends whose kind says `IndexKind.by_shards` have it.
        """
        raise NotImplementedError

    def unfinished(self, name: str) -> bool:
        """Return whether parts of an index are encoded that is not written yet.

        Backends whose kind says `IndexKind.by_shards` have it.
        """
        raise NotImplementedError

    def publish(self, name: str) -> None:
        """Put the replacement, if there is one, in the place of the old index, atomically."""
        ...

    def forecast(self, name: str, rows: int, dim: int, command: IndexCommandConfig) -> str:
        """Return in words what several jobs take to build an index.

        Backends whose kind says `IndexKind.by_shards` have it.
        """
        raise NotImplementedError

    def memory_bytes(self, rows: int, dim: int, command: IndexCommandConfig) -> int:
        """Return roughly the memory that the built index takes in the process that holds it."""
        ...


def open_backend(config: IndexKind) -> IndexBackend:
    """Return the backend that the ``index`` section names."""
    return cast("IndexBackend", config.load()(config))


def check_made_of(info: IndexInfo, location: str, store: Store) -> None:
    """Refuse to add rows of ``store`` to the index at ``location`` of another one.

    Raises:
        FingerprintError: the model, the dataset or the layout differs.
    """
    mine, theirs = info.fingerprint, store.fingerprint
    here, there = f"the index {location}", f"the store {store.url}"
    try:
        mine.check_data(theirs.to_json(), here)
        mine.model.check(theirs.model, here, there)
    except FingerprintError as error:
        raise FingerprintError(
            f"{error}; to replace the index by one of this store, add --rebuild"
        ) from error


def duplicate_id_message(id: str, one: str, other: str) -> str:
    """Return the message for an id that is in two part files, or twice in one."""
    return (
        f"the id {id} is in {one} and in {other}; embed again with ids that are unique in the "
        "dataset: another column as dataset.id, or none"
    )
