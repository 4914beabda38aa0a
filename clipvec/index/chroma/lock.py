"""Exclusive access to a collection, and the swap of a rebuilt one for the old."""

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

    from clipvec.index.chroma.client import ChromaClientFactory

_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}
"""What a file system without locks answers."""
log = logging.getLogger(__name__)


@contextlib.contextmanager
def exclusive(factory: ChromaClientFactory, name: str) -> Iterator[None]:
    """Keep other commands from filling ``name``, and clean up after an interrupted one.

    Raises:
        CollectionError: another command is filling it, or its folder cannot be written.
    """
    with _lock(factory, name):
        _recover(factory, name)
        yield


def swap_in(factory: ChromaClientFactory, name: str) -> None:
    """Put the rebuilt collection in the place of the old one.

    Killed before the first rename, the old one stays; between the two, the next `exclusive` puts it
    back; after the second, the next `exclusive` removes it. At no moment is there neither of them.
    """
    if name in factory.names():
        factory.rename(name, name + OLD)
    factory.rename(name + REBUILD, name)
    factory.remove(name + OLD)


def _lock(factory: ChromaClientFactory, name: str) -> AbstractContextManager[object]:
    """Take the lock of a collection, which ends with this process however it ends."""
    from filelock import FileLock, Timeout

    location, file = factory.location(name), factory.lock_file(name)
    if file is None:
        return contextlib.nullcontext()
    with chroma_errors(location):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            # A soft lock is a mere file, and would outlive a process that is killed.
            return FileLock(file, fallback_to_soft=False).acquire(timeout=0)
        except Timeout as error:
            raise CollectionError(
                f"{location} is being filled by another command, which holds {file}; wait until "
                "it has finished, or choose another index.path"
            ) from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
    log.warning(
        "the file system of %s does not support locking; do not run another index command on it "
        "at the same time",
        location,
    )
    return contextlib.nullcontext()


def _recover(factory: ChromaClientFactory, name: str) -> None:
    """Finish or undo what an interrupted `swap_in` of ``name`` left."""
    names = factory.names()
    if name not in names and name + OLD in names:
        factory.rename(name + OLD, name)
    for leftover in (name + OLD, name + REBUILD):
        if leftover in names:
            factory.remove(leftover)
