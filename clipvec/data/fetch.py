"""The image files that rows name: many at once, some of which are gone."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

import tenacity

from clipvec.data.files import dataset_errors, display_url, filesystem, first_line
from clipvec.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Content: TypeAlias = bytes | Exception

_TRIES = 4
_PATIENCE = 60.0
"""Seconds after which nothing is tried again: hosts that never answer take 30 of them each time."""
_WAIT = tenacity.wait_random_exponential(multiplier=0.5, max=8)
"""Seconds between two tries."""
_BUSY = {408, 425, 429, 500, 502, 503, 504}
"""Statuses of a server that may answer later."""
_UNANSWERED = {
    "ClientConnectionError",  # aiohttp
    "ClientPayloadError",
    "ConnectionError",  # Python, requests, botocore
    "HTTPClientError",  # botocore
    "Timeout",  # requests
    "TimeoutError",  # Python, fsspec
    "TransportError",  # httpx
}
"""Errors of the way to a server, by name: which of these packages there are varies."""
_NO_SUCH_HOST = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


def read_files(paths: Sequence[str]) -> list[bytes | OSError]:
    """Return the content of each file, or why that one cannot be read.

    Remote ones are read at once; what a server or the way to it may mend by itself is tried again.

    Raises:
        ConfigError: none of several files can be read for want of a package.
        DatasetError: none of several files can be reached: the network is gone, not a file.
    """
    contents: dict[int, Content] = {}

    def read() -> bool:
        """Read what is missing; return whether some of it may be had by another try."""
        missing = [i for i in range(len(paths)) if _may_come(contents.get(i))]
        contents.update(_read(paths, missing))
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


def _read(paths: Sequence[str], wanted: Iterable[int]) -> dict[int, Content]:
    contents: dict[int, Content] = {}
    groups: dict[Any, dict[int, str]] = {}
    for index in wanted:
        try:
            fs, stripped = filesystem(paths[index])
        except Exception as error:  # a scheme that nobody knows, an address that is none
            contents[index] = error
        else:
            groups.setdefault(fs, {})[index] = stripped
    for fs, files in groups.items():
        read = fs.cat_ranges(list(files.values()), None, None, on_error="return")
        contents.update(zip(files, read, strict=True))
    return contents


def _check_reach(paths: Sequence[str], errors: Sequence[Exception]) -> None:
    """Raise what keeps every file from being read, if it is not the files themselves."""
    first = display_url(paths[0])
    if all(isinstance(error, ImportError) for error in errors):
        with dataset_errors(first, paths[0]):
            raise errors[0]
    if not all(map(_unconnected, errors)):
        return
    several = len({urlsplit(path).netloc for path in paths}) > 1  # not one host that is no more
    if several or any(map(_unreached, errors)):
        raise DatasetError(
            f"none of {len(errors)} files in a row can be reached, the first is {first}: "
            f"{_said(errors[0])}; mend the connection, and the same command goes on"
        )


def _may_come(content: Content | None) -> bool:
    """Return whether another try may read it."""
    return content is None or _status(content) in _BUSY or _unreached(content)


def _unreached(content: Content) -> bool:
    """Return whether there was no answer, and not for want of such a host."""
    lookup = getattr(content, "os_error", None)
    no_such_host = isinstance(lookup, socket.gaierror) and lookup.errno in _NO_SUCH_HOST
    return _unconnected(content) and not no_such_host


def _unconnected(content: Content) -> bool:
    names = {kind.__name__ for kind in type(content).__mro__}
    return bool(names & _UNANSWERED) and "ClientSSLError" not in names  # a host's certificate


def _status(error: object) -> int | None:
    """Return the status that a server answered, as aiohttp has it, or httpx and requests."""
    status: int | None = getattr(getattr(error, "response", None), "status_code", None)
    return getattr(error, "status", None) if status is None else status


def _reason(error: Exception) -> OSError:
    """Return why a file cannot be read, as a row's error."""
    if isinstance(error, OSError) and error.strerror and "\n" not in error.strerror:
        return error
    status = _status(error)
    if status is not None:
        kind = PermissionError if status in {401, 403} else OSError
        return kind(f"the server answers {status} {getattr(error, 'message', '')}".strip())
    if isinstance(error, FileNotFoundError):  # its message is the address, which the row has
        return FileNotFoundError("not found")
    kind = PermissionError if isinstance(error, PermissionError) else OSError
    return kind(_said(error))


def _said(error: Exception) -> str:
    """Return an error's message without the queries of URLs, which may be secrets."""
    return re.sub(r"\?[^\s'\")]+", "", first_line(error))
