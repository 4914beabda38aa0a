"""Which process takes up photos or shows their page, so that a second command does neither too."""

from __future__ import annotations

import fcntl
import hashlib
from contextlib import nullcontext
from typing import TYPE_CHECKING

from clipvec import process
from clipvec.lock import locked

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import Self


def taking_turns(location: str) -> AbstractContextManager[object]:
    """Wait, and say so, until no other process takes up what belongs into the index here."""
    file = _file("photos", location)
    return nullcontext() if file is None else locked(file, None, location)


def _file(kind: str, location: str) -> Path | None:
    """Return a file of this user that stands for an index; None: there is no place for it."""
    folder, name = process.user_folder(), hashlib.sha256(location.encode()).hexdigest()
    return folder / f"{kind}-{name[:16]}" if folder else None


class PageClaim:
    """The page of one index on this machine: one process shows it while its claim is open."""

    def __init__(self, location: str) -> None:
        """Name the page of the index at ``location``, a full path or a URL."""
        file = _file("page", location)
        self._file = file.open("a+") if file else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def take(self) -> bool:
        """Return whether the page is this process's to show: no other one has claimed it."""
        if self._file is None:  # nobody can tell
            return True
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self._file.truncate(0)  # of what an earlier process told
        return True

    def tell(self, url: str) -> None:
        """Say where the page will be, once it was taken."""
        if self._file is not None:
            self._file.write(url)
            self._file.flush()

    def url(self) -> str:
        """Return where the process that has claimed it says that it will be, or nothing yet."""
        if self._file is None:
            return ""
        self._file.seek(0)
        return self._file.read()
