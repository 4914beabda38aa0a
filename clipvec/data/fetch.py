"""The image files that rows name: many at once, some of which are gone."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, TypeAlias

import tenacity

from clipvec.data.sources import filesystem, one_line, reading, shown
from clipvec.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Content: TypeAlias = bytes | Exception

_TRIES = 4
_WAIT = tenacity.wait_random_exponential(multiplier=0.5, max=8)
"""Seconds between two tries."""
_BUSY = {408, 425, 429, 500, 502, 503, 504}
"""Statuses of a server that may answer later."""
_NO_SUCH_HOST = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


def read_files(paths: Sequence[str]) -> list[bytes | OSError]:
    """Return the content of each file, or why that one cannot be read.

    Remote ones are read at once; what a server or the way to it may mend by itself is tried again.

    Raises:
        ConfigError: the package that reads such URLs is not installed.
        DatasetError: none of several files can be reached: the network is gone, not a file.
    """
    contents: dict[int, Content] = {}

    def read() -> bool:
        """Read what is missing; return whether some of it may be had by another try."""
        missing = [i for i in range(len(paths)) if _may_come(contents.get(i))]
        contents.update(_read(paths, missing))
        return any(_may_come(contents[i]) for i in missing)

    tenacity.Retrying(
        stop=tenacity.stop_after_attempt(_TRIES),
        wait=_WAIT,
        retry=tenacity.retry_if_result(bool),
        retry_error_callback=lambda state: None,
    )(read)
    found = [contents[i] for i in range(len(paths))]
    errors = [content for content in found if isinstance(content, Exception)]
    if len(found) > 1 and len(errors) == len(found) and all(map(_unreached, errors)):
        raise DatasetError(
            f"none of {len(found)} files in a row can be reached, the first is {shown(paths[0])}: "
            f"{one_line(errors[0])}; mend the connection, and the same command goes on"
        )
    return [
        _reason(path, content) if isinstance(content, Exception) else content
        for path, content in zip(paths, found, strict=True)
    ]


def _read(paths: Sequence[str], wanted: Iterable[int]) -> dict[int, Content]:
    contents: dict[int, Content] = {}
    groups: dict[Any, dict[int, str]] = {}
    for index in wanted:
        try:
            with reading(shown(paths[index]), paths[index]):
                fs, stripped = filesystem(paths[index])
        except DatasetError as error:  # a scheme that nobody knows, an address that is none
            contents[index] = error
        else:
            groups.setdefault(fs, {})[index] = stripped
    for fs, files in groups.items():
        read = fs.cat_ranges(list(files.values()), None, None, on_error="return")
        contents.update(zip(files, read, strict=True))
    return contents


def _may_come(content: Content | None) -> bool:
    """Return whether another try may read it."""
    return content is None or getattr(content, "status", None) in _BUSY or _unreached(content)


def _unreached(content: Content) -> bool:
    """Return whether there was no answer, and not for want of such a host."""
    import aiohttp

    if isinstance(content, aiohttp.ClientConnectorDNSError):
        return content.os_error.errno not in _NO_SUCH_HOST
    return isinstance(content, aiohttp.ClientConnectionError | TimeoutError | ConnectionError)


def _reason(path: str, error: Exception) -> OSError:
    """Return why ``path`` cannot be read, without its query, which may be a secret."""
    if isinstance(error, OSError) and error.strerror:
        return error
    status = getattr(error, "status", None)
    if status is not None:
        kind = PermissionError if status in {401, 403} else OSError
        return kind(f"the server answers {status} {getattr(error, 'message', '')}".strip())
    kind = type(error) if isinstance(error, FileNotFoundError | PermissionError) else OSError
    return kind(one_line(error).replace(path, shown(path)))
