"""Local files: atomic writes, regular ones alone, and JSON with a schema number and a checksum."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipvec.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from io import BufferedReader

SCHEMA = "schema_version"
"""Key of the schema number in a JSON file."""
TEMPORARY = ".tmp"
"""End of the hidden name of a file that is being written."""
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
_SEAL = "seal"
"""Key of the SHA-256 of all else that is in the file."""


def write_atomically(file: Path, data: bytes) -> None:
    """Write a local file atomically, creating its folder if needed.

    Raises:
        OSError: it cannot be written; an existing file is kept.
    """
    with _written(file, data) as temporary:
        temporary.replace(file)


def create_atomically(file: Path, data: bytes) -> bool:
    """Write a local file atomically unless there is one, and return whether it was written.

    Raises:
        OSError: it cannot be written.
    """
    with _written(file, data) as temporary:
        try:
            file.hardlink_to(temporary)
        except FileExistsError:
            return False
        except OSError:  # a mounted bucket, on which whoever comes first in time has to do
            if file.exists():
                return False
            temporary.replace(file)
    return True


@contextmanager
def _written(file: Path, data: bytes) -> Iterator[Path]:
    """Give the temporary name under which a file's content was written, until it is removed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # containers that share a folder have the same process ids
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}{TEMPORARY}")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def sync(folder: Path) -> None:
    """Put the files of a local folder, and their names, on the disk before anything that follows.

    Raises:
        OSError: the disk is full or fails.
    """
    for path in (*filter(Path.is_file, folder.iterdir()), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class NotAFile(OSError):
    """A pipe, a device, a socket or a folder, in place of a regular file."""


def open_regular(path: str | Path) -> BufferedReader:
    """Open a local file for reading.

    A link or a name may lead to a device, which never ends, or to a pipe, which waits for a writer.

    Raises:
        NotAFile: it is none.
        OSError: it cannot be opened.
    """
    return open(path, "rb", opener=_regular)


def read_regular(path: str | Path) -> bytes:
    """Return the content of a local file, as `open_regular` opens it."""
    with open_regular(path) as stream:
        return stream.read()


def _regular(path: str, flags: int) -> int:
    # Without O_NONBLOCK a pipe is not opened before another process writes there.
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    kind = _KINDS.get(stat.S_IFMT(os.fstat(descriptor).st_mode))
    if kind is not None:
        os.close(descriptor)
        raise NotAFile(errno.EINVAL, f"it is {kind}, not a regular file", path)
    return descriptor


def file_state(file: Path) -> str | None:
    """Return what tells a file from one that is written in its place; None: there is none.

    Of its time and size: the number that a mounted bucket gives it may change by itself.
    """
    try:
        status = file.stat()
    except OSError:
        return None
    return f"{status.st_mtime_ns} {status.st_size}"


def to_json(values: Mapping[str, Any], schema: int, *, sealed: bool = False) -> bytes:
    """Return the bytes of a JSON file with a schema number, for `from_json`.

    Args:
        values: the content.
        schema: increase it whenever an older clipvec could not read the file or would misread it.
        sealed: whether it has a checksum, for what nothing else would tell to be damaged.
    """
    seal = {_SEAL: digest(values)} if sealed else {}
    return json.dumps({SCHEMA: schema, **seal, **values}, indent=1, allow_nan=False).encode()


def from_json(
    data: bytes, schema: int, file: object, fix: str, *, sealed: bool = False
) -> dict[str, Any]:
    """Return the content of a JSON file that `to_json` wrote, without schema number and checksum.

    Args:
        data: the bytes of the file.
        schema: the schema that is written.
        file: its path or URL, for the message.
        fix: how to recreate the file, for the message: ``remove it and ...``.
        sealed: whether it has a checksum.

    Raises:
        SchemaError: the file has an older or newer schema; names both numbers and the fix.
        ValueError: it is not a JSON object, or was changed; callers add the context.
    """
    try:
        values = json.loads(data.decode())  # of bytes, it would take those with zeros for UTF-16
    except UnicodeDecodeError as error:
        raise ValueError("it is not text") from error
    if not isinstance(values, dict):
        raise ValueError("not a JSON object")
    seen = values.pop(SCHEMA, None)
    if seen != schema:
        has = "no schema number" if seen is None else f"schema {seen!r}"
        update = "update clipvec, or " if isinstance(seen, int) and seen > schema else ""
        raise SchemaError(f"{file} has {has}, this clipvec reads schema {schema}; {update}{fix}")
    if sealed and values.pop(_SEAL, None) != digest(values):
        raise ValueError("its checksum is another")
    return values


def digest(values: object) -> str:
    """Return the SHA-256 of JSON values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def size_and_sha256(file: Path) -> list[Any]:
    """Return a local file's size in bytes and its SHA-256, as they stand in JSON.

    Raises:
        OSError: it cannot be read.
    """
    with open_regular(file) as stream:
        return [
            os.fstat(stream.fileno()).st_size,
            hashlib.file_digest(stream, "sha256").hexdigest(),
        ]
