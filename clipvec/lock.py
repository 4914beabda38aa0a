"""Access to something in a folder, exclusive or shared, for as long as a process lives."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from clipvec.errors import ClipvecError

NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}
"""What a file system without locks answers."""
log = logging.getLogger(__name__)


def locked(
    file: Path, held: ClipvecError | None, location: str, *, shared: bool = False
) -> AbstractContextManager[object]:
    """Take a lock, which ends with this process however it ends.

    Args:
        file: the lock.
        held: raised where another process holds it; None: it is waited for.
        location: of what it is for, for messages.
        shared: whether others may hold it too that share it.

    Raises:
        ClipvecError: ``held``.
        OSError: its folder cannot be written, or others are to share it where there are no locks.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    stream, kind = file.open("a+b"), fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    with contextlib.ExitStack() as unless_held:
        unless_held.enter_context(stream)
        try:
            _take(stream, kind, held, f"{location}: waiting for the process that holds {file}")
        except OSError as error:
            if shared or error.errno not in NO_LOCKS:
                raise
            log.warning(
                "the file system of %s does not support locking; do not run another command on it "
                "at the same time",
                location,
            )
        unless_held.pop_all()
    return stream


def _take(stream: IO[bytes], kind: int, held: ClipvecError | None, waiting: str) -> None:
    try:
        fcntl.flock(stream, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        if held is not None:
            raise held from None
        log.warning("%s", waiting)  # commands without Hydra show no less
        fcntl.flock(stream, kind)
