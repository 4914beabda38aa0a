"""Exclusive access to an index in a folder, for as long as a process lives."""

from __future__ import annotations

import contextlib
import errno
import logging
from typing import TYPE_CHECKING

from clipvec.errors import CollectionError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}
"""What a file system without locks answers."""
log = logging.getLogger(__name__)


def locked(location: str, file: Path) -> AbstractContextManager[object]:
    """Take the lock of an index, which ends with this process however it ends.

    Args:
        location: of the index, for messages.
        file: the lock.

    Raises:
        CollectionError: another command holds it.
        OSError: its folder cannot be written.
    """
    from filelock import FileLock, Timeout

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
