"""Who may fill a collection, and how a rebuilt one takes the place of the old."""

from __future__ import annotations

import contextlib
import errno
import logging
from typing import TYPE_CHECKING

from clipvec.errors import CollectionError
from clipvec.index.chroma.client import OLD, REBUILD, chroma_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from clipvec.index.chroma.client import Place

_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}
"""What a file system without locks answers."""
log = logging.getLogger(__name__)


@contextlib.contextmanager
def turn(place: Place, name: str) -> Iterator[None]:
    """Keep other commands from filling ``name``; begin with what an interrupted one left.

    Raises:
        CollectionError: another command is at it, or its place cannot be written.
    """
    with _lock(place, name):
        _recover(place, name)
        yield


def take_place(place: Place, name: str) -> None:
    """Put the rebuilt collection in the place of the old one.

    Killed before the first rename, the old one stays; between the two, the next `turn` puts it
    back; after the second, the next `turn` removes it. At no moment is there neither of them.
    """
    if name in place.names():
        place.rename(name, name + OLD)
    place.rename(name + REBUILD, name)
    place.remove(name + OLD)


def _lock(place: Place, name: str) -> AbstractContextManager[object]:
    """Take the lock of a collection, which ends with this process however it ends."""
    from filelock import FileLock, Timeout

    where, file = place.where(name), place.lock_file(name)
    if file is None:
        return contextlib.nullcontext()
    with chroma_errors(where):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            # A soft lock is a mere file, and would outlive a process that is killed.
            return FileLock(file, fallback_to_soft=False).acquire(timeout=0)
        except Timeout as error:
            raise CollectionError(
                f"{where} is being filled by another command, which holds {file}; wait until that "
                "has ended, or choose another index.path"
            ) from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
    log.warning(
        "the file system of %s knows no locks: run no other index command on it meanwhile",
        where,
    )
    return contextlib.nullcontext()


def _recover(place: Place, name: str) -> None:
    """Finish or undo what an interrupted `take_place` of ``name`` left."""
    names = place.names()
    if name not in names and name + OLD in names:
        place.rename(name + OLD, name)
    for leftover in (name + OLD, name + REBUILD):
        if leftover in names:
            place.remove(leftover)
