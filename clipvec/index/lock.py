"""Access to an index in a folder, exclusive or shared, for as long as a process lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec import lock
from clipvec.errors import CollectionError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path


def locked(
    location: str, file: Path, *, wait: bool = False, shared: bool = False
) -> AbstractContextManager[object]:
    """Take the lock of an index, see `clipvec.lock.locked`.

    Args:
        location: of the index, for messages.
        file: the lock.
        wait: for whoever holds it.
        shared: whether others may hold it too that share it.

    Raises:
        CollectionError: another command holds it, or others are to share it where there are no
            locks.
        OSError: its folder cannot be written.
    """
    held = CollectionError(
        f"{location} is being filled by another command, which holds {file}; wait until "
        "it has finished, or choose another index.path"
    )
    try:
        return lock.locked(file, None if wait else held, location, shared=shared)
    except OSError as error:
        if not shared or error.errno not in lock.NO_LOCKS:
            raise
        raise CollectionError(
            f"the file system of {location} does not support locking, by which jobs take turns; "
            "leave shards out, so that one job builds the index, or choose another index.path"
        ) from error
