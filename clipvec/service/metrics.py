"""Prometheus metrics of the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Histogram

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)

REQUESTS = Counter("clipvec_requests", "Requests answered", ["endpoint", "status"])
STAGE_SECONDS = Histogram(
    "clipvec_stage_seconds",
    "Seconds that a request spent in a stage, waiting included",
    ["stage"],
    buckets=_SECONDS,
)
BATCH_SIZE = Histogram(
    "clipvec_batch_size",
    "Items processed at once",
    ["stage"],
    buckets=(1, 2, 4, 8, 16, 32, 64, 128),
)
REJECTS = Counter("clipvec_rejects", "Refused requests", ["reason"])


class RequestMetrics:
    """Counts the answers of an application by endpoint and status."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and count its answer."""

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                endpoint = getattr(scope.get("route"), "path", "") or "other"
                REQUESTS.labels(endpoint, str(message["status"])).inc()
            await send(message)

        await self._app(scope, receive, counted if scope["type"] == "http" else send)
