"""Requests refused before any work is done: no key, too many queries, too large a body."""

from __future__ import annotations

import asyncio
import hmac
import math
import os
import random
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from fastapi import HTTPException

from clipvec.config import API_KEY
from clipvec.progress import counted
from clipvec.service.problems import refusal
from clipvec.service.protocol import LEAST_RATE

if TYPE_CHECKING:
    from limits.strategies import SlidingWindowCounterRateLimiter
    from starlette.requests import HTTPConnection
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "clipvec_key"
"""Where the page keeps the key, percent-encoded, since an <img> sends no header."""
_LINGER = 4
"""Times the limit that is read of a body that is refused."""
MAX_VALUES = 2**15
"""Values of a JSON body; parsing and checking them holds up all other requests."""
MAX_TEXTS = 2**12
"""Texts and names among them, each of which takes ten times as long as a number."""
BODY_SECONDS = 10.0
"""Time that a body may take, beyond that at `LEAST_RATE`, and up to half as long again by chance.

Many that were begun at once would else be refused at once, and hold up all other requests.
"""
_DRAIN_SECONDS = 5.0
_BURST = 10
"""Requests of an address that may be refused in a second, whatever is allowed in a minute."""


def key_is_set() -> bool:
    """Return whether requests need a key."""
    return bool(os.environ.get(API_KEY))


def has_key(connection: HTTPConnection) -> bool:
    """Return whether a request has the key; where none is set, none has."""
    wanted = os.environ.get(API_KEY, "").encode()
    right = [hmac.compare_digest(key, wanted) for key in _keys(connection)]
    return any(right)


def check_key(connection: HTTPConnection) -> None:
    """Refuse a request without the key, where ``CLIPVEC_API_KEY`` is set."""
    if not key_is_set() or has_key(connection):
        return
    reason = "the API key is wrong" if _keys(connection) else "an API key is needed"
    raise HTTPException(
        401, f"{reason}: Authorization: Bearer <key>", {"WWW-Authenticate": "Bearer"}
    )


def _keys(connection: HTTPConnection) -> list[bytes]:
    """Return the keys of a request, wherever they stand: a proxy may need a header for itself."""
    scheme, _, token = connection.headers.get("Authorization", "").partition(" ")
    given = [token.strip()] if scheme.lower() == "bearer" else []
    given.append(connection.headers.get("X-API-Key", ""))
    keys = [text.encode("latin-1") for text in given]  # the bytes that came
    keys.append(unquote_to_bytes(connection.cookies.get(COOKIE, "")))
    return [key for key in keys if key]


class RateLimit:
    """Answers 429 to an address that sends more queries a minute."""

    def __init__(self, per_minute: int) -> None:
        from limits import RateLimitItemPerMinute

        self._item, self._window = RateLimitItemPerMinute(per_minute), _window()

    def check(self, address: str) -> None:
        """Count a query, or refuse it."""
        if self._window.hit(self._item, address):
            return
        after = self._window.get_window_stats(self._item, address).reset_time - time.time()
        raise HTTPException(
            429,
            f"at most {self._item.amount} queries a minute are answered; retry later",
            {"Retry-After": str(max(1, math.ceil(after)))},
        )


class RefusalLimit:
    """Answers 429 to an address of which more requests were refused in a minute.

    Or a twentieth of them, at least ten, in a second: each may have been of megabytes, and together
    they hold up all other requests for seconds.
    """

    def __init__(self, per_minute: int) -> None:
        from limits import RateLimitItemPerMinute, RateLimitItemPerSecond

        per_second = RateLimitItemPerSecond(max(_BURST, per_minute // 20))
        self._items = (RateLimitItemPerMinute(per_minute), per_second)
        self._window = _window()

    def count(self, address: str) -> None:
        """Count a refused request."""
        for item in self._items:
            self._window.hit(item, address)

    def check(self, address: str) -> None:
        """Refuse an address that goes on sending such requests."""
        for item in self._items:
            if not self._window.test(item, address):
                raise HTTPException(
                    429,
                    f"{counted(item.amount, 'request')} of this address in a "
                    f"{item.GRANULARITY.name} had to be refused; retry later",
                    {"Retry-After": str(item.get_expiry())},
                )


def _window() -> SlidingWindowCounterRateLimiter:
    from limits.storage import MemoryStorage
    from limits.strategies import SlidingWindowCounterRateLimiter

    return SlidingWindowCounterRateLimiter(MemoryStorage())


class BodyLimit:
    """Refuses bodies that are too large, hold too many values, or come too slowly.

    Nothing of it is kept: what an endpoint has read so far is thrown away with the request.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app, self._limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, unless it is too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if not announced.isdigit() or int(announced) > self._limit:
            await refuse(scope, receive, send, HTTPException(413, self._reason()), self._limit)
            return
        kind = dict(scope["headers"]).get(b"content-type", b"").lower()
        if kind.startswith(b"application/x-www-form-urlencoded"):
            error = HTTPException(415, "send multipart/form-data, or JSON")
            await refuse(scope, receive, send, error, self._limit)
            return
        read, values, quotes = 0, 0, 0
        end = time.monotonic() + BODY_SECONDS * random.uniform(1, 1.5)
        is_json, whole = not kind.startswith(b"multipart/"), False

        async def limited() -> Message:
            nonlocal read, values, quotes, whole
            if whole:  # what comes next is the end of the connection
                return await receive()
            left = end + read / LEAST_RATE - time.monotonic()
            try:
                message = await asyncio.wait_for(receive(), max(0.0, left))
            except TimeoutError:
                raise HTTPException(408, "the body came too slowly", _CLOSE) from None
            body = message.get("body", b"")
            read, whole = read + len(body), not message.get("more_body")
            if is_json:
                values += sum(map(body.count, (b",", b":", b"[", b"{")))
                quotes += body.count(b'"')
            if read > self._limit:
                raise HTTPException(413, self._reason())
            if values > MAX_VALUES:
                raise HTTPException(413, f"the request has more than {MAX_VALUES:,} values")
            if quotes > 2 * MAX_TEXTS:
                raise HTTPException(413, f"the request has more than {MAX_TEXTS:,} texts and names")
            return message

        await self._app(scope, limited, send)

    def _reason(self) -> str:
        return f"the request is too large; at most {self._limit:,} bytes are read"


_CLOSE = {"Connection": "close"}


async def refuse(
    scope: Scope, receive: Receive, send: Send, error: HTTPException, limit: int
) -> None:
    """Answer a request whose body nobody has read, and throw that away.

    Args:
        scope, receive, send: of the request.
        error: the answer.
        limit: bytes of an ordinary body; of one that is much larger, the rest is left.
    """
    headers = dict(error.headers or {})
    try:
        whole = await asyncio.wait_for(_drain(receive, _LINGER * limit), _DRAIN_SECONDS)
    except TimeoutError:
        whole = False
    if not whole:
        headers |= _CLOSE
    await refusal(error.status_code, str(error.detail), headers)(scope, receive, send)


async def _drain(receive: Receive, left: int) -> bool:
    """Throw a body away, and return whether it was all of it: who still sends hears no answer."""
    while left > 0:
        message = await receive()
        left -= len(message.get("body", b""))
        if not message.get("more_body"):
            return True
    return False
