"""What is refused before any work is done: no key, too much to read, too many queries."""

from __future__ import annotations

import hmac
import math
import os
import time
from typing import TYPE_CHECKING

from fastapi import HTTPException, Request
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "clipvec_key"
"""Where the page keeps the key, since an <img> sends no header."""
_LINGER = 4
"""Times the limit that is read of a body that is refused."""


def check_key(request: Request) -> None:
    """Refuse a request without the key, where ``CLIPVEC_API_KEY`` is set."""
    wanted = os.environ.get("CLIPVEC_API_KEY")
    if not wanted:
        return
    bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
    given = bearer or request.headers.get("X-API-Key") or request.cookies.get(COOKIE) or ""
    if not hmac.compare_digest(given.encode(), wanted.encode()):
        raise HTTPException(401, "an API key is needed: Authorization: Bearer <key>")


class RateLimit:
    """Answers 429 to whoever asks more than ``per_minute`` queries a minute, by address."""

    def __init__(self, per_minute: int) -> None:
        from limits import RateLimitItemPerMinute
        from limits.storage import MemoryStorage
        from limits.strategies import SlidingWindowCounterRateLimiter

        self._item = RateLimitItemPerMinute(per_minute)
        self._window = SlidingWindowCounterRateLimiter(MemoryStorage())

    def check(self, address: str) -> None:
        """Count a query, or refuse it."""
        if self._window.hit(self._item, address):
            return
        after = self._window.get_window_stats(self._item, address).reset_time - time.time()
        raise HTTPException(
            429,
            f"at most {self._item.amount} queries a minute are answered; ask again later",
            {"Retry-After": str(max(1, math.ceil(after)))},
        )


def check_rate(request: Request) -> None:
    """Refuse a query beyond ``max_rate``; what only reads rows costs little and is not counted."""
    limit: RateLimit | None = request.app.state.rate_limit
    if limit and request.method == "POST":
        limit.check(request.client.host if request.client else "")


class BodyLimit:
    """Answers 413 to a body of more than ``limit`` bytes, announced or not.

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
            await self._refuse(scope, receive, send)
            return
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._limit:
                raise HTTPException(413, self._reason())
            return message

        await self._app(scope, limited, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._drain(receive)
        answer = JSONResponse({"error": self._reason()}, 413, headers={"Connection": "close"})
        await answer(scope, receive, send)

    async def _drain(self, receive: Receive) -> None:
        """Throw a body away that is not much too large: who still sends hears no answer."""
        left = _LINGER * self._limit
        while left > 0:
            message = await receive()
            left -= len(message.get("body", b""))
            if not message.get("more_body"):
                return

    def _reason(self) -> str:
        return f"the request is too large; at most {self._limit:,} bytes are read"
