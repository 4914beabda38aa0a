"""Admission of requests, decided by their headers before the body arrives."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fastapi import HTTPException
from starlette.requests import HTTPConnection

from clipvec.service import protocol
from clipvec.service.limits import RateLimit, RefusalLimit, check_key, has_key, refuse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from clipvec.config import ServeConfig

BESIDE = "/beside"
"""What precedes the paths of the collection that is compared with the one that is served."""
_OPEN = {"/", "/map", "/compare", "/health", "/readyz", "/metrics", "/docs", "/openapi.json"}
_OPEN_BELOW = "/page/"
_OF_ALL = {"/facets", "/map/points"}
"""What looks at all rows counts as a query; what reads a few costs little."""
_FAULTS = {400, 401, 408, 413, 415, 422}
"""Statuses of requests that should not have been sent as they were."""


class Admission:
    """Refuses requests without the key, beyond the rates, or too many at once.

    The page itself, the documentation and the probes are open to all: they cost little and reveal
    nothing about the images.
    """

    def __init__(self, app: ASGIApp, settings: ServeConfig) -> None:
        self._app, self._settings = app, settings
        self._rate = (
            RateLimit(settings.max_queries_per_minute) if settings.max_queries_per_minute else None
        )
        most = settings.max_refusals_per_minute
        self._refusals = RefusalLimit(most) if most else None
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, unless it is refused."""
        path = scope.get("path", "")
        if scope["type"] != "http" or path in _OPEN or path.startswith(_OPEN_BELOW):
            await self._app(scope, receive, send)
            return
        connection, refusals = HTTPConnection(scope), self._refusals
        address = connection.client.host if connection.client else ""

        async def noted(message: Message) -> None:
            wrong = message["type"] == "http.response.start" and message["status"] in _FAULTS
            if refusals and wrong:
                refusals.count(address)
            await send(message)

        most = self._settings.max_body_bytes
        try:
            # Others behind the same address do not lock out who has the key.
            if refusals and not has_key(connection):
                refusals.check(address)
        except HTTPException as error:
            await asyncio.sleep(protocol.HOLD_SECONDS)
            await refuse(scope, receive, send, error, most)
            return
        try:
            self._check(connection, address)
        except HTTPException as error:
            await refuse(scope, receive, noted, error, most)
            return
        self._running += 1
        try:
            await self._app(scope, receive, noted)
        finally:
            self._running -= 1

    def _check(self, connection: HTTPConnection, address: str) -> None:
        check_key(connection)
        path = connection.scope["path"].removeprefix(BESIDE)
        counted = connection.scope["method"] == "POST" or path in _OF_ALL
        if self._rate and counted:
            self._rate.check(address)
        most = self._settings.max_concurrency
        if self._running >= most:
            reason = f"at most {most} requests are answered at once; retry"
            raise HTTPException(429, reason, {"Retry-After": "1"})
