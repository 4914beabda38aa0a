"""Finds, lists and opens the files of a dataset through fsspec.

A path is local, a URL that fsspec knows (``s3://``, ``gs://``, ``https://``, ``memory://``), or
``pkg://clipvec/...`` for data bundled with clipvec.
"""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import takewhile
from typing import IO, TYPE_CHECKING, Any, cast

from clipvec.errors import (
    ClipvecError,
    ConfigError,
    DatasetError,
    url_without_secrets,
    without_query,
    without_secrets,
)
from clipvec.extras import missing_for_url
from clipvec.files import open_regular
from clipvec.locations import PACKAGE_SCHEME, package_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_AHEAD = {"cache_type": "background", "cache_options": {"maxblocks": 4}}
_MAGIC = re.compile(r"[*?[]")
_VERSIONS = (
    *("ETag", "etag", "md5Hash", "content_md5", "blob_id"),
    *("mtime", "LastModified", "last_modified"),
)
"""What file systems call what changes with a file's content, the surest first."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file that holds records."""

    path: str
    """Local path or URL to open."""
    url: str
    """Address to show and store: without a password, and the query, which may be a signature."""
    name: str
    """Relative to the folder that all sources have in common."""
    size: int | None
    """Bytes, if the file system reports it without a request per file."""
    version: str | None = None
    """What changes with its content, likewise."""
    gone: bool = False
    """Whether it was there when it was listed, and is no longer."""


def expand(patterns: str | Sequence[str]) -> tuple[Source, ...]:
    """Return the matching files, sorted by path, without duplicates.

    Braces (``{0000..0099}``) name files that must exist; ``*``, ``?`` and ``[...]`` are matched
    against a listing.

    Raises:
        ConfigError: a pattern is malformed, or needs a package that is not installed.
        DatasetError: a pattern matches no file, or cannot be listed.
    """
    found: dict[str, Mapping[str, Any]] = {}
    folders: set[str] = set()
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        with dataset_errors(f"dataset.path={pattern!r}", pattern):
            matched = _match(pattern, folders)
        if not matched:
            raise DatasetError(
                f"dataset.path={pattern!r} matches no file; give files, patterns such as "
                "'/data/*.tar' or 's3://bucket/{0000..0099}.tar', or a list of them"
                + (", and '[[]' for a '[' that is part of a name" if "[" in pattern else "")
            )
        found.update(matched)
    if not found:
        raise ConfigError("dataset.path is an empty list; give at least one file or pattern")
    parts = {path: without_query(path).split("/") for path in sorted(found)}
    # not of the files, with which it could change: a name says the same in all generations
    levels = zip(*(folder.split("/") for folder in folders), strict=False)
    root = sum(1 for _ in takewhile(lambda names: len(set(names)) == 1, levels))
    return tuple(
        Source(
            path,
            url,
            to_utf8("/".join(names[root:])),
            found[path].get("size"),
            None if url.startswith(PACKAGE_SCHEME) else version(found[path]),
        )
        for (path, names), url in zip(parts.items(), map(display_url, parts), strict=True)
    )


def describe(names: Mapping[str, str]) -> tuple[Source, ...]:
    """Return files, by path, with their names and what tells that they have changed.

    Raises:
        FileNotFoundError: one is not there.
    """
    parents = Counter(path.rpartition("/")[0] for path in names)
    found = []
    for path, name in names.items():
        fs, stripped = filesystem(path)
        if not is_local(fs) and parents.pop(path.rpartition("/")[0], 0) > 1:
            fs.ls(stripped.rpartition("/")[0])  # one listing fills the cache behind fs.info
        info = fs.info(stripped)
        found.append(Source(path, display_url(path), name, info.get("size"), version(info)))
    return tuple(found)


def version(info: Mapping[str, Any]) -> str | None:
    """Return what fsspec tells of a file that changes with its content."""
    return next((str(info[key]) for key in _VERSIONS if info.get(key) is not None), None)


def _match(pattern: str, folders: set[str]) -> dict[str, Mapping[str, Any]]:
    """Return the path of every file that matches one pattern, and what is known of it.

    Adds to ``folders`` those below which the pattern looks.
    """
    from braceexpand import braceexpand

    literal, rest = _literal_folder(package_file(pattern))
    try:
        urls = [literal + expanded for expanded in braceexpand(rest)] if rest else [literal]
    except ValueError as error:
        raise ConfigError(
            f"dataset.path={pattern!r} has unbalanced braces; write '{{0000..0099}}' or '{{a,b}}'"
        ) from error
    pairs = [filesystem(url) for url in urls]
    parents = Counter(path.rsplit("/", 1)[0] for _, path in pairs)
    found: dict[str, Mapping[str, Any]] = {}
    for fs, _ in pairs:
        if not is_local(fs):
            fs.invalidate_cache()  # of listings, which a process may have made long ago
        if "hf" in _protocols(fs):  # of which each thread has one of its own
            type(fs).clear_instance_cache()
    for fs, path in pairs:
        folders.add(_folder(fs, path))
        if _is_pattern(fs, path):
            folder, below = _literal_folder(path) if is_local(fs) else ("", path)
            listing = fs.glob(glob.escape(folder) + below, detail=True)
            files = {name: info for name, info in listing.items() if info["type"] == "file"}
            found.update((full_path(fs, name), info) for name, info in files.items())
        elif is_http(fs):  # a size would cost a request per file; missing ones fail when opened
            found[path] = {}
        else:
            parent = path.rsplit("/", 1)[0]
            if not is_local(fs) and parents.pop(parent, 0) > 1:
                fs.ls(parent)  # one listing fills the cache behind fs.info
            info = fs.info(path)
            if info["type"] == "directory":
                raise DatasetError(
                    f"dataset.path={pattern!r} is a folder; name the files in it, "
                    f"such as '{pattern.rstrip('/')}/*'"
                )
            found[full_path(fs, path)] = info
    return found


def _folder(fs: Any, path: str) -> str:
    """Return the folder below which a path or a pattern is."""
    if is_http(fs):
        return without_query(path).partition("*")[0].rpartition("/")[0]
    if not _is_pattern(fs, path):
        folder = path.rpartition("/")[0]
    elif is_local(fs):
        folder = _literal_folder(path)[0].rstrip("/")
    else:
        folder = _MAGIC.split(path, maxsplit=1)[0].rpartition("/")[0]
    return full_path(fs, folder)


def _literal_folder(path: str) -> tuple[str, str]:
    """Split a local path behind its last folder that exists: what is in there are no patterns.

    ``/photos/[2020] cats/*.tar`` becomes ``/photos/[2020] cats/`` and ``*.tar``.
    """
    if "://" in path:
        return "", path
    if os.path.lexists(path):
        return path, ""
    literal, rest = "", path
    while "/" in rest:
        name, _, below = rest.partition("/")
        if not os.path.lexists(f"{literal}{name}/"):
            break
        literal, rest = f"{literal}{name}/", below
    return literal, rest


def _is_pattern(fs: Any, path: str) -> bool:
    if is_http(fs):
        return "*" in path  # "?" starts the query
    return glob.has_magic(path) and not (is_local(fs) and fs.exists(path))


def filesystem(path: str) -> tuple[Any, str]:
    """Return the fsspec file system of ``path``, and the path in that file system's form."""
    from fsspec.core import url_to_fs

    fs, stripped = url_to_fs(path)
    return fs, stripped


def is_local(fs: Any) -> bool:
    """Return whether a file system is local."""
    return "file" in _protocols(fs)


def is_http(fs: Any) -> bool:
    """Return whether a file system is that of web servers."""
    return "http" in _protocols(fs)


def _protocols(fs: Any) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def full_path(fs: Any, path: str) -> str:
    """Return a path that works from any folder: absolute when local, else a URL."""
    return path if is_local(fs) else str(fs.unstrip_protocol(path))


def display_url(path: str) -> str:
    """Return ``path`` in a form fit for storing: without secrets, portable for bundled data."""
    package = package_file(PACKAGE_SCHEME).rstrip("/") + "/"
    if path.startswith(package):
        return PACKAGE_SCHEME + path.removeprefix(package)
    return to_utf8(url_without_secrets(path))


def to_utf8(name: str) -> str:
    r"""Return ``name`` as valid Unicode: bytes that are not UTF-8 become ``\udc..``."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def digest(lines: Iterable[object]) -> str:
    """Return the SHA-256 of a listing, one item per line, as 64 hexadecimal digits."""
    checksum = sha256()
    for line in lines:
        checksum.update(f"{line}\n".encode("utf-8", "surrogateescape"))
    return checksum.hexdigest()


def identity(kind: str, found: Sequence[Source]) -> dict[str, str | int | None]:
    """Return a dataset's identity: names below the common folder and sizes, not its location."""
    lines = (f"{source.name}\t{source.size}" for source in found)
    return {"kind": kind, "sources": len(found), "digest": digest(lines)}


def open_file(path: str, ahead: bool = True) -> IO[bytes]:
    """Open ``path`` for reading; a remote file is prefetched in megabyte blocks.

    A few blocks are kept, so a reader can step back without another request.

    Args:
        path: a local path, or a URL.
        ahead: False for random access: only the bytes read are fetched.

    Raises:
        NotAFile: it is local, and a pipe, a device or a socket.
    """
    fs, stripped = filesystem(path)
    if is_local(fs):
        return open_regular(stripped)
    cache = _AHEAD if ahead else {"cache_type": "none"}
    stream = cast("IO[bytes]", fs.open(stripped, "rb", **cache))
    if is_http(fs) and not can_seek(stream):
        stream.close()
        stream = cast("IO[bytes]", fs.open(stripped, "rb", block_size=0))
    return stream


def can_seek(stream: IO[bytes]) -> bool:
    """Return whether ``stream`` supports seeking; a web server's is tested.

    fsspec's HTTP files claim to be seekable, and fail later if the server does not support ranges.
    """
    fs = getattr(stream, "fs", None)
    if fs is None or not is_http(fs):
        return stream.seekable()
    try:
        if stream.seek(0, os.SEEK_END):
            stream.seek(-1, os.SEEK_END)
            stream.read(1)
        stream.seek(0)
    except (OSError, ValueError):
        return False
    return True


@contextmanager
def dataset_errors(what: str, path: str = "") -> Iterator[None]:
    """Turn any exception inside into a one-line error about ``what``.

    Raises:
        ConfigError: the package that reads URLs such as ``path`` is not installed.
        DatasetError: everything else.
    """
    try:
        yield
    except ClipvecError:
        raise
    except ImportError as error:
        raise missing_for_url(what, path, error) from error
    except FileNotFoundError as error:
        raise DatasetError(f"{what}: not found: {error.filename or first_line(error)}") from error
    except Exception as error:  # each object store has its own error classes
        if type(error).__name__ == "FileExpired":  # s3fs's, which may not be installed
            raise DatasetError(
                f"{what} was written anew after it was listed; run the same command again"
            ) from error
        raise DatasetError(f"{what} cannot be read: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its class name if it has none."""
    lines = str(error).strip().splitlines()
    return to_utf8(without_secrets(lines[0])) if lines else type(error).__name__
