"""The original of a row, for those who may see it.

A thumbnail shows what was indexed. The file itself may be larger than anybody else should have, and
says where and by which camera it was taken: it is shown on this machine alone, unless
``originals`` in the settings says otherwise.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from io import BytesIO
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from cachetools import LRUCache
from fastapi import HTTPException
from starlette.responses import StreamingResponse

from clipvec.data import NotShown, Original, Undecodable, open_original
from clipvec.model import ImageReader, Preprocess
from clipvec.service.searcher import UnknownRow

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from clipvec.config import ServeConfig

_THREADS = 2
_AT_ONCE = 32
"""Originals that are sent at once: who reads them slowly leaves room for searches."""
_EACH = 8
"""Those of one address; a browser asks for six at once."""
_SIDE = 2048
"""Most pixels of a side of the JPEG that stands for an original which browsers do not show."""
_LARGEST = 2**28
"""Bytes of such an original."""
_KEPT_BYTES = 2**25
"""Of such JPEGs: who looks at pictures goes back and forth."""
_UNUSED = Preprocess(_SIDE // 2, _SIDE // 2, (), (), "bilinear", "squash", 0)
"""No model is asked; its size keeps that of previews in raw files."""
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
"""Headers of proxies: whoever asked one may be anywhere."""
_HEADERS = {
    # It is asked for each time: its row may have been deleted.
    "Cache-Control": "private, no-store",
    # A file may be an image and a page at once, which then runs nothing and stays by itself.
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class Originals:
    """Opens originals in threads of their own: a disk may hang.

    What browsers do not show, such as HEIC, is decoded in a process of its own, one at a time,
    within the bounds of images in requests.

    Args:
        settings: say who may see them, and how large an image may be.
    """

    def __init__(self, settings: ServeConfig) -> None:
        self._shown_to, self._settings = settings.originals, settings
        self._threads = ThreadPoolExecutor(_THREADS, "originals")
        self._decoding = ThreadPoolExecutor(1, "decoding originals")
        self._jpegs: LRUCache[tuple[str, int], bytes] = LRUCache(_KEPT_BYTES, len)
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._shares: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def check(self, request: Request) -> None:
        """Refuse those who may not see originals."""
        if self._shown_to == "nobody":
            raise HTTPException(403, "this service shows no originals")
        if self._shown_to == "local" and not _is_local(request):
            reason = (
                "originals are shown on the service's own machine alone; whoever runs it shows "
                "them to all by originals=all in CLIPVEC_SERVE"
            )
            raise HTTPException(403, reason)

    async def response(self, uri: str, address: str) -> Response:
        """Return the image at the URI of a row for a client at an address.

        It is the file as it is, or a JPEG of it where browsers do not show its format.

        Raises:
            UnknownRow: it is not there, or cannot be shown.
            HTTPException: too many are sent already.
        """
        share = self._shares.setdefault(address, asyncio.Semaphore(_EACH))
        if share.locked() or self._slots.locked():
            reason = f"at most {_AT_ONCE} originals are sent at once, {_EACH} to one address; retry"
            raise HTTPException(429, reason, {"Retry-After": "1"})
        async with share, self._slots:
            loop = asyncio.get_running_loop()
            try:
                found = await loop.run_in_executor(self._threads, open_original, uri)
                if found.media_type is None:
                    found = await loop.run_in_executor(self._decoding, self._as_jpeg, uri, found)
            except (NotShown, Undecodable) as error:
                raise UnknownRow(str(error)) from error
        return _Sent(found, share, self._slots)

    def _as_jpeg(self, uri: str, original: Original) -> Original:
        key = uri, os.fstat(original.stream.fileno()).st_mtime_ns
        with original.stream:
            image = self._jpegs.get(key)
            if image is None:
                image = self._jpegs[key] = self._decoded(original)
        return Original("image/jpeg", len(image), BytesIO(image))

    def _decoded(self, original: Original) -> bytes:
        if original.size > _LARGEST:
            raise NotShown(f"the original has {original.size:,} bytes, more than {_LARGEST:,}")
        try:
            data = original.stream.read(original.size)
        except OSError as error:
            raise NotShown(f"the file cannot be read ({error.strerror})") from error
        reader = ImageReader(
            _UNUSED,
            max_pixels=self._settings.max_pixels,
            max_seconds=self._settings.max_decode_seconds,
            threads=1,
            thumbnail_side=_SIDE,
        )
        with closing(reader):
            return reader(data).thumbnail


class _Sent(StreamingResponse):
    """An original on its way, which is closed whether or not all of it was read."""

    def __init__(
        self, original: Original, share: asyncio.Semaphore, slots: asyncio.Semaphore
    ) -> None:
        headers = _HEADERS | {"Content-Length": str(original.size)}
        super().__init__(original.pieces(), media_type=original.media_type, headers=headers)
        self._stream, self._share, self._slots = original.stream, share, slots

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        with self._stream:
            async with self._share, self._slots:
                await super().__call__(scope, receive, send)


def _is_local(request: Request) -> bool:
    """Return whether a request comes from this machine and names it so, as none by a proxy does."""
    if any(name in request.headers for name in _FORWARDED) or request.client is None:
        return False
    asked = request.url.hostname or ""
    named = asked == "localhost" or asked.endswith(".localhost") or _is_loopback(asked)
    return named and _is_loopback(request.client.host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
