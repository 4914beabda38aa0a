"""The original of a row, for those who may see it.

A thumbnail shows what was indexed. The file itself may be larger than anybody else should have, and
says where and by which camera it was taken: it is shown on this machine alone, unless
``originals`` in the settings says otherwise.
"""

from __future__ import annotations

import asyncio
import ipaddress
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from fastapi import HTTPException
from starlette.responses import StreamingResponse

from clipvec.data import NotShown, open_original
from clipvec.service.searcher import UnknownRow

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from clipvec.data import Original

_THREADS = 2
_AT_ONCE = 32
"""Originals that are sent at once: who reads them slowly leaves room for searches."""
_EACH = 8
"""Those of one address; a browser asks for six at once."""
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

    Args:
        shown_to: who may see them: local, all or nobody.
    """

    def __init__(self, shown_to: str) -> None:
        self._shown_to = shown_to
        self._threads = ThreadPoolExecutor(_THREADS, "originals")
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
        """Return the image at the URI of a row, as it is, for a client at an address.

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
            except NotShown as error:
                raise UnknownRow(str(error)) from error
        return _Sent(found, share, self._slots)


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
