"""A folder on a disk, a mounted bucket, or an object store, through fsspec."""

from __future__ import annotations

import contextlib
import errno
import os
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipvec.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MENDS = {
    errno.ENOSPC: "free space there, or choose another store.root; the same command goes on",
    errno.EDQUOT: "free space there, or choose another store.root; the same command goes on",
    errno.EACCES: "make it writable, or choose another store.root",
    errno.EPERM: "make it writable, or choose another store.root",
    errno.EROFS: "choose a store.root that is writable",
    errno.EEXIST: "a part of the path is a file; choose another store.root",
    errno.ENOTDIR: "a part of the path is a file; choose another store.root",
}


class Folder:
    """Whole-file reads and atomic writes below one URL."""

    def __init__(self, url: str) -> None:
        from fsspec.core import url_to_fs
        from fsspec.implementations.local import LocalFileSystem

        try:
            self._fs, self._base = url_to_fs(str(url))
        except ImportError as error:
            scheme = url.split("://", 1)[0]
            raise ConfigError(
                f"store.root: {url!r} needs another package: {error}; "
                f"pip install 'clipvec[{'gcs' if scheme == 'gs' else scheme}]'"
            ) from error
        except ValueError as error:
            raise ConfigError(
                f"store.root: {url!r}: {error}; allowed are folders and URLs such as s3://, gs://"
            ) from error
        self._local = isinstance(self._fs, LocalFileSystem)
        self.url = self._base if self._local else str(url).rstrip("/")

    def path(self, name: str = "") -> str:
        """Return the full path or URL of ``name``, for messages."""
        return f"{self.url}/{name}".rstrip("/")

    def names(self, folder: str = "") -> list[str]:
        """Return the sorted names of the files directly in ``folder``; none when it is missing."""
        with self._errors(folder):
            where = f"{self._base}/{folder}".rstrip("/")
            try:
                found = self._fs.ls(where, detail=True, refresh=True)
            except FileNotFoundError:
                return []
            return sorted(i["name"].rsplit("/", 1)[-1] for i in found if i["type"] == "file")

    def glob(self, pattern: str) -> list[str]:
        """Return the sorted names, relative to this folder, that match ``pattern``."""
        base = self._fs._strip_protocol(self._base)
        with self._errors(pattern):
            self._fs.invalidate_cache()
            if self._local:
                found = self._fs.glob(f"{self._base}/{pattern}")
            else:
                # A listing of all there is, a thousand objects a request; glob would ask for each
                # folder.
                every = self._fs.find(self._base)
                found = [path for path in every if fnmatch(path.removeprefix(f"{base}/"), pattern)]
        return sorted(str(path).removeprefix(f"{base}/") for path in found)

    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Raises:
            FileNotFoundError: there is no such file.
            StoreError: it cannot be read.
        """
        with self._errors(name):
            return bytes(self._fs.cat_file(f"{self._base}/{name}"))

    def open(self, name: str) -> Any:
        """Open a file for reading at any offset."""
        with self._errors(name):
            return self._fs.open(f"{self._base}/{name}", "rb")

    def write(self, name: str, data: bytes) -> None:
        """Write a file that appears whole or not at all.

        Raises:
            StoreError: there is no space, no permission, or no connection.
        """
        with self._errors(name):
            if not self._local:
                # an object appears under its key once it is uploaded whole
                self._fs.pipe_file(f"{self._base}/{name}", data)
                return
            path = Path(self._base, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            try:
                with temporary.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise

    def remove(self, name: str) -> None:
        """Remove a file; it may be gone already."""
        with self._errors(name), contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(f"{self._base}/{name}")

    @contextlib.contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            what = error.strerror or str(error)
            mend = _MENDS.get(error.errno or 0, "check the path and the connection, then run again")
            raise StoreError(f"{self.path(name)}: {what}; {mend}") from error
        except Exception as error:
            if self._local:
                raise
            # each object store's library has errors of its own, such as missing credentials
            raise StoreError(
                f"{self.path(name)}: {error}; check the URL, the credentials and the connection"
            ) from error
