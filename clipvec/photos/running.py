"""Which process shows the page of an index, so that a second command starts no other."""

from __future__ import annotations

import fcntl
import hashlib
from typing import TYPE_CHECKING

from clipvec import process

if TYPE_CHECKING:
    from typing import Self


class PageClaim:
    """The page of one index on this machine: one process shows it while its claim is open."""

    def __init__(self, location: str) -> None:
        """Name the page of the index at ``location``, a full path or a URL."""
        folder, name = process.user_folder(), hashlib.sha256(location.encode()).hexdigest()
        self._file = (folder / f"page-{name[:16]}").open("a+") if folder else None

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
