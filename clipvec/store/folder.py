"""A folder on a disk, a mounted bucket, or an object store, through fsspec."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipvec.errors import ConfigError, StoreError
from clipvec.extras import missing_for_url
from clipvec.files import TEMPORARY, NotAFile, create_atomically, open_regular, write_atomically
from clipvec.lock import locked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

_START = 0
"""Of whole files too: without it s3fs (2026.6.0) asks for their size first, or takes it from a
listing that it has kept, where an object that another client wrote since is missing."""
_LISTED_AT_ONCE = 16
_TRIAL = ".write-test"
_LEFT_S = 3600
"""Age in seconds of a temporary file that nobody writes any more."""
_FIXES = {
    errno.ENOSPC: "free space there, or choose another store.root; the same command resumes",
    errno.EDQUOT: "free space there, or choose another store.root; the same command resumes",
    errno.EACCES: "make it writable, or choose another store.root",
    errno.EPERM: "make it writable, or choose another store.root",
    errno.EROFS: "choose a writable store.root",
    errno.EEXIST: "part of the path is a file; choose another store.root",
    errno.EISDIR: "a file belongs there: remove that folder, then run again",
    errno.ENOTDIR: "part of the path is a file; choose another store.root",
}


def canonical_url(url: str) -> str:
    """Return the `Folder.url` of a URL, whether or not what reads it is installed."""
    from fsspec.core import split_protocol
    from fsspec.implementations.local import LocalFileSystem

    local = split_protocol(url)[0] in (None, "file", "local")
    return str(LocalFileSystem._strip_protocol(url)) if local else url.rstrip("/")


class Folder:
    """Whole-file reads and atomic writes below one URL."""

    def __init__(self, url: str) -> None:
        from fsspec.core import url_to_fs
        from fsspec.implementations.local import LocalFileSystem

        try:
            self._fs, self._base = url_to_fs(str(url))
        except ImportError as error:
            raise missing_for_url(f"store.root: {url!r}", url, error) from error
        except ValueError as error:
            raise ConfigError(
                f"store.root: {url!r}: {error}; allowed are folders and URLs such as s3://, gs://"
            ) from error
        self.local = isinstance(self._fs, LocalFileSystem)
        self.url = canonical_url(str(url))

    def path(self, name: str = "") -> str:
        """Return the full path or URL of ``name``, for messages."""
        return f"{self.url}/{name}".rstrip("/")

    def names(self, folder: str = "") -> list[str]:
        """Return the sorted names of the files directly in ``folder``; empty if it is missing."""
        return self._list(folder, "file")

    def all_names(self, folder: str) -> dict[str, bool]:
        """Return all names in ``folder``, and whether each is that of a file; see `names`."""
        return {name: entry["type"] == "file" for name, entry in self._entries(folder).items()}

    def folders(self) -> list[str]:
        """Return the sorted names of the folders directly in this one; empty if it is missing."""
        return self._list("", "directory")

    def sizes(self, folders: Sequence[str]) -> dict[str, int]:
        """Return the bytes of the files directly in some folders, by their names in this one.

        Raises:
            StoreError: one cannot be listed.
        """
        with ThreadPoolExecutor(_LISTED_AT_ONCE) as threads:  # a mount may be a bucket, too
            listed = zip(folders, threads.map(self._entries, folders), strict=True)
            return {
                f"{folder}/{name}": int(entry["size"])
                for folder, entries in listed
                for name, entry in entries.items()
                if entry["type"] == "file"
            }

    def _list(self, folder: str, kind: str) -> list[str]:
        found = self._entries(folder)
        return sorted(name for name, entry in found.items() if entry["type"] == kind)

    def _entries(self, folder: str) -> dict[str, dict[str, Any]]:
        """Return what fsspec says of the files and folders directly in ``folder``, by name."""
        with self._errors(folder):
            where = f"{self._base}/{folder}".rstrip("/")
            try:
                entries = self._fs.ls(where, detail=True, refresh=True)
            except FileNotFoundError:
                return {}
            for entry in entries if self.local else ():
                if entry["islink"]:  # fsspec (2026.6.0) says "other", not what it leads to
                    is_folder = Path(entry["name"]).is_dir()
                    is_file = Path(entry["name"]).is_file()
                    entry["type"] = "directory" if is_folder else "file" if is_file else "other"
            return {entry["name"].rstrip("/").rsplit("/", 1)[-1]: entry for entry in entries}

    def size(self, name: str) -> int | None:
        """Return the bytes of a file, asked of itself, not of a listing; None: there is none.

        Raises:
            StoreError: it cannot be asked for.
        """
        with self._errors(name), contextlib.suppress(FileNotFoundError):
            self._fs.invalidate_cache()
            found = self._fs.info(f"{self._base}/{name}")
            if found["type"] == "directory":
                raise IsADirectoryError(errno.EISDIR, "it is a folder")
            return int(found["size"])
        return None

    def read_each(self, names: Sequence[str]) -> dict[str, bytes]:
        """Return the contents of the files that exist; concurrently from an object store.

        A pipe or a device under a file's name is none, as in `names`.

        Raises:
            StoreError: one cannot be read.
        """
        files = {}
        if self.local:
            for name in names:
                with contextlib.suppress(FileNotFoundError, NotAFile):
                    files[name] = self.read(name)
            return files
        paths = [f"{self._base}/{name}" for name in names]
        with self._errors():
            contents = self._fs.cat_ranges(paths, _START, None, on_error="return")
        for name, content in zip(names, contents, strict=True):
            if isinstance(content, FileNotFoundError):
                continue
            with self._errors(name):
                if isinstance(content, Exception):
                    raise content
                files[name] = bytes(content)
        return files

    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Raises:
            FileNotFoundError: there is no such file.
            NotAFile: there is a pipe or a device.
            StoreError: it cannot be read.
        """
        with self._errors(name):
            if self.local:
                with self.open(name) as file:
                    return bytes(file.read())
            return bytes(self._fs.cat_file(f"{self._base}/{name}", start=_START))

    def read_ranges(self, name: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return ranges of a file's bytes, [start, stop); concurrently from an object store.

        Raises:
            FileNotFoundError: there is no such file.
            StoreError: it cannot be read.
        """
        starts, stops = [list(ends) for ends in zip(*ranges, strict=True)]
        names = [f"{self._base}/{name}"] * len(ranges)
        with self._errors(name):
            return list(self._fs.cat_ranges(names, starts, stops, on_error="raise"))

    def stamp(self, name: str) -> str | None:
        """Return what tells a file from others that had its name; None: there is no such file.

        Raises:
            StoreError: the folder cannot be read.
        """
        with self._errors(name), contextlib.suppress(FileNotFoundError):
            self._fs.invalidate_cache()
            return str(self._fs.ukey(f"{self._base}/{name}"))
        return None

    def open(self, name: str) -> Any:
        """Open a file for random access; only the bytes read are fetched from an object store.

        Raises:
            FileNotFoundError: there is no such file.
            NotAFile: there is a pipe or a device.
            StoreError: it cannot be opened.
        """
        with self._errors(name):
            if self.local:
                return open_regular(Path(self._base, name))
            # by default fsspec would fetch 5 to 50 MB around each offset
            ask = partial(self._fs.open, f"{self._base}/{name}", "rb", cache_type="none")
            try:
                return ask()
            except FileNotFoundError:  # by a listing, perhaps, that s3fs has kept, see `_START`
                self._fs.invalidate_cache()
                return ask()

    def write(self, name: str, data: bytes) -> None:
        """Write a file atomically.

        Raises:
            StoreError: there is no space, no permission, no bucket, or no connection.
        """
        with self._errors(name, missing_ok=False):
            if not self.local:
                # an object appears under its key once its upload is complete
                self._fs.pipe_file(f"{self._base}/{name}", data)
                return
            write_atomically(Path(self._base, name), data)

    def check_writable(self) -> None:
        """Write a small file and remove it.

        Raises:
            StoreError: that is not possible, with the fix.
        """
        self.write(_TRIAL, b"")
        self.remove(_TRIAL)

    def write_checked(self, name: str, data: bytes) -> None:
        """Write a file that takes the place of others, and read it before these go.

        Raises:
            StoreError: it cannot be written, see `write`, or is not what was written.
        """
        self.write(name, data)
        if self.read(name) != data:
            raise StoreError(
                f"{self.path(name)} is not what was written to it: the disk or the connection is "
                "at fault; nothing is lost, run the same command again"
            )

    def create(self, name: str, data: bytes) -> bool:
        """Write a file atomically unless there is one, and return whether it was written.

        Of several that try at once, one writes. Object stores that cannot promise this are asked
        whether there is a file first.

        Raises:
            StoreError: it cannot be written, see `write`.
        """
        with self._errors(name, missing_ok=False):
            if self.local:
                return create_atomically(Path(self._base, name), data)
            where = f"{self._base}/{name}"
            self._fs.invalidate_cache()
            if self._fs.exists(where):
                return False
            try:
                self._fs.pipe_file(where, data, mode="create")
            except OSError:
                # s3fs (2026.6.0) says EINVAL where another client was first
                self._fs.invalidate_cache()
                if not self._fs.exists(where):
                    raise
                return False
            return True

    def remove(self, name: str) -> None:
        """Remove a file; it may already be gone."""
        with self._errors(name), contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(f"{self._base}/{name}")

    def remove_folder(self, name: str) -> None:
        """Remove a folder with all that is in it; it may already be gone."""
        self._fs.invalidate_cache()
        with self._errors(name), contextlib.suppress(FileNotFoundError):
            self._fs.rm(f"{self._base}/{name}", recursive=True)

    def locked(self, name: str, held: str) -> AbstractContextManager[object]:
        """Take a lock of this name, see `clipvec.lock.locked`.

        On an object store it is an object that says who holds it, which a kill leaves behind.

        Args:
            name: of the lock.
            held: what is said where another process holds it.

        Raises:
            StoreError: ``held``, or the lock cannot be written.
        """
        if not self.local:
            return self._claimed(name, held)
        with self._errors(name, missing_ok=False):
            return locked(Path(self._base, name), StoreError(f"{held}; wait for it"), self.url)

    @contextlib.contextmanager
    def _claimed(self, name: str, held: str) -> Iterator[None]:
        mine = (
            f"{socket.gethostname()}, process {os.getpid()}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        )
        data = f"{mine} {secrets.token_hex(8)}".encode()
        # a write that was sent again, as its answer was lost, finds itself
        if not self.create(name, data) and (theirs := self._who(name)) != data:
            since = theirs.decode(errors="replace").rpartition(" ")[0]
            raise StoreError(
                f"{held} ({since}); wait for it, or, if it was killed, remove that object"
            )
        try:
            yield
        finally:
            if self._who(name) == data:
                self.remove(name)

    def _who(self, name: str) -> bytes:
        try:
            return self.read(name)
        except FileNotFoundError:
            return b""

    def remove_leftovers(self, folder: str) -> None:
        """Remove what killed writers left in ``folder``, but not what may still be written.

        An object store shows no file before all of it is there.
        """
        if not self.local:
            return
        with self._errors(folder):
            for file in Path(self._base, folder).glob(f".*{TEMPORARY}"):
                with contextlib.suppress(FileNotFoundError):
                    if time.time() - file.stat().st_mtime > _LEFT_S:
                        file.unlink()

    @contextlib.contextmanager
    def _errors(self, name: str = "", missing_ok: bool = True) -> Iterator[None]:
        """Turn exceptions into a `StoreError`, except that a file may be missing, or none."""
        try:
            yield
        except OSError as error:
            if missing_ok and isinstance(error, FileNotFoundError | NotAFile):
                raise
            what = error.strerror or str(error)
            fix = _FIXES.get(error.errno or 0, "check the path and the connection, then run again")
            raise StoreError(f"{self.path(name)}: {what}; {fix}") from error
        except Exception as error:
            if self.local:
                raise
            # each object store's library has its own errors, such as missing credentials
            raise StoreError(
                f"{self.path(name)}: {error}; check the URL, the credentials and the connection"
            ) from error
