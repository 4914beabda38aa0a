"""Fetches the image files that rows refer to, many at once; some may be missing."""

from __future__ import annotations

import asyncio
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

import tenacity

from clipvec.data.files import (
    dataset_errors,
    display_url,
    filesystem,
    first_line,
    is_http,
    is_local,
)
from clipvec.data.regular import TooManyBytes, read_regular
from clipvec.errors import DatasetError
from clipvec.files import NotAFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Content: TypeAlias = bytes | Exception

_TRIES = 4
_PATIENCE = 60.0
"""Seconds after which retries stop: a host that never answers takes 30 of them per attempt."""
_WAIT = tenacity.wait_random_exponential(multiplier=0.5, max=8)
"""Seconds between attempts."""
_BUSY = {408, 425, 429, 500, 502, 503, 504}
"""HTTP statuses worth a retry."""
_UNANSWERED = {
    "ClientConnectionError",  # aiohttp
    "ClientPayloadError",
    "ChunkedEncodingError",  # requests: a download that broke off
    "ConnectionError",  # Python, requests, botocore
    "HTTPClientError",  # botocore
    "ProtocolError",  # urllib3
    "Timeout",  # requests
    "TimeoutError",  # Python, fsspec
    "TransportError",  # httpx
}
"""Connection errors, by name because not all of these packages are always installed."""
_FINAL = {
    "ClientSSLError",  # a host's certificate
    "OfflineModeIsEnabled",  # huggingface_hub
}
"""Connection errors that come again, however often one tries."""
_NO_SUCH_HOST = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


def read_files(paths: Sequence[str], most: int) -> list[bytes | OSError]:
    """Return the content of each file, or the error that prevents reading it.

    Remote files are read concurrently; transient errors of a server or connection are retried.

    Args:
        paths: local paths, or URLs.
        most: bytes of a file; of a larger one no more is read.

    Raises:
        ConfigError: none of several files can be read because a package is missing.
        DatasetError: none of several files can be reached, so the network is at fault.
    """
    contents: dict[int, Content] = {}

    def read() -> bool:
        """Read the missing files; return whether a retry may get more of them."""
        missing = [i for i in range(len(paths)) if _may_come(contents.get(i))]
        contents.update(_read(paths, missing, most))
        return any(_may_come(contents[i]) for i in missing)

    tenacity.Retrying(
        stop=tenacity.stop_after_attempt(_TRIES) | tenacity.stop_after_delay(_PATIENCE),
        wait=_WAIT,
        retry=tenacity.retry_if_result(bool),
        retry_error_callback=lambda state: None,
    )(read)
    found = [contents[i] for i in range(len(paths))]
    errors = [content for content in found if isinstance(content, Exception)]
    if len(found) > 1 and len(errors) == len(found):
        _check_reach(paths, errors)
    return [_reason(content) if isinstance(content, Exception) else content for content in found]


def _read(paths: Sequence[str], wanted: Iterable[int], most: int) -> dict[int, Content]:
    contents: dict[int, Content] = {}
    groups: dict[Any, dict[int, str]] = {}
    for index in wanted:
        try:
            fs, stripped = filesystem(paths[index])
        except Exception as error:  # an unknown scheme, a malformed address
            contents[index] = error
        else:
            groups.setdefault(fs, {})[index] = stripped
    for fs, files in groups.items():
        contents.update(zip(files, _contents(fs, list(files.values()), most), strict=True))
    return contents


def _contents(fs: Any, paths: Sequence[str], most: int) -> Sequence[Content]:
    if is_local(fs):
        return [_local(path, most) for path in paths]
    if is_http(fs):
        from fsspec.asyn import sync

        found: Sequence[Content] = sync(fs.loop, _download, fs, paths, most)
        return found
    read = fs.cat_ranges(paths, 0, most + 1, on_error="return")
    return [_within(fs, path, content, most) for path, content in zip(paths, read, strict=True)]


def _local(path: str, most: int) -> Content:
    try:
        return read_regular(path, most)
    except (OSError, ValueError) as error:  # ValueError: a name with a null byte
        return error


async def _download(fs: Any, paths: Sequence[str], most: int) -> list[Any]:
    """Read files of web servers: not by ranges, which some servers answer with the whole file."""
    return await asyncio.gather(*(_get(fs, path, most) for path in paths), return_exceptions=True)


async def _get(fs: Any, path: str, most: int) -> bytes:
    session = await fs.set_session()
    async with session.get(fs.encode_url(path), **fs.kwargs) as response:
        if response.status == HTTPStatus.NOT_FOUND:
            raise FileNotFoundError(path)
        response.raise_for_status()
        content = bytearray()
        async for piece in response.content.iter_any():
            content += piece
            if len(content) > most:
                raise TooManyBytes.of(response.content_length, most)
        return bytes(content)


def _within(fs: Any, path: str, content: Content, most: int) -> Content:
    """Return what was read of an object, unless there is more of it than is allowed."""
    if isinstance(content, bytes):
        return content if len(content) <= most else TooManyBytes.of(None, most)
    try:  # an object store has no byte 0 of an empty object, and says that the range is wrong
        empty = not _may_come(content) and fs.info(path)["size"] == 0
    except Exception:
        return content
    return b"" if empty else content


def _check_reach(paths: Sequence[str], errors: Sequence[Exception]) -> None:
    """Raise the common cause if none of the files can be read and the files are not at fault."""
    first = display_url(paths[0])
    if all(isinstance(error, ImportError) for error in errors):
        with dataset_errors(first, paths[0]):
            raise errors[0]
    if not all(map(_unconnected, errors)):
        return
    several = len({urlsplit(path).netloc for path in paths}) > 1  # not just one dead host
    if several or any(map(_unreached, errors)):
        raise DatasetError(
            f"none of {len(errors)} consecutive files can be reached, starting with {first}: "
            f"{first_line(errors[0])}; check the connection and run the same command to resume"
        )


def _may_come(content: Content | None) -> bool:
    """Return whether a retry may succeed."""
    return content is None or (isinstance(content, Exception) and is_transient(content))


def is_transient(error: Exception) -> bool:
    """Return whether a later attempt may succeed: a server was busy, or a host did not answer."""
    # s3fs raises an OSError of its own, whose cause has the status
    busy = any(_status(each) in _BUSY for each in (error, error.__cause__))
    return busy or _unreached(error)


def _unreached(content: Content) -> bool:
    """Return whether a host that exists did not answer."""
    lookup = getattr(content, "os_error", None)
    no_such_host = isinstance(lookup, socket.gaierror) and lookup.errno in _NO_SUCH_HOST
    return _unconnected(content) and not no_such_host


def _unconnected(content: Content) -> bool:
    names = {kind.__name__ for kind in type(content).__mro__}
    return bool(names & _UNANSWERED) and not names & _FINAL


def _status(error: object) -> int | None:
    """Return the HTTP status of an aiohttp, httpx, requests or botocore error."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore's
        status: int | None = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return status
    status = getattr(response, "status_code", None)
    return getattr(error, "status", None) if status is None else status


def _reason(error: Exception) -> OSError:
    """Return the error of one row's file."""
    if isinstance(error, NotAFile | TooManyBytes):
        return error
    if isinstance(error, OSError) and error.strerror and "\n" not in error.strerror:
        return error
    status = _status(error)
    if status is not None:
        kind = PermissionError if status in {401, 403} else OSError
        return kind(f"the server returned {status} {getattr(error, 'message', '')}".strip())
    if isinstance(error, FileNotFoundError):  # its message is the address, already in the row
        return FileNotFoundError("not found")
    kind = PermissionError if isinstance(error, PermissionError) else OSError
    return kind(first_line(error))
