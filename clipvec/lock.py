"""Exclusive access to something in a folder, for as long as a process lives."""

from __future__ import annotations

import contextlib
import errno
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from clipvec.errors import ClipvecError

_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}
"""What a file system without locks answers."""
log = logging.getLogger(__name__)


def locked(file: Path, held: ClipvecError | None, location: str) -> AbstractContextManager[object]:
    """Take a lock, which ends with this process however it ends.

    Args:
        file: the lock.
        held: raised where another process holds it; None: it is waited for.
        location: of what it is for, for messages.

    Raises:
        ClipvecError: ``held``.
        OSError: its folder cannot be written.
    """
    from filelock import FileLock, Timeout

    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        # A soft lock is a mere file, and would outlive a process that is killed.
        lock = FileLock(file, fallback_to_soft=False)
        try:
            return lock.acquire(timeout=0)
        except Timeout:
            if held is not None:
                raise held from None
        log.info("%s: waiting for the process that holds %s", location, file)
        return lock.acquire()
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    log.warning(
        "the file system of %s does not support locking; do not run another command on it at the "
        "same time",
        location,
    )
    return contextlib.nullcontext()
