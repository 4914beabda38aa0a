"""JSON of requests, parsed by pydantic's parser: Python's own takes five times as long for vectors,
and no other request is answered meanwhile.
"""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic_core import from_json

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.responses import Response


class JsonRoute(APIRoute):
    """A route whose body, if it is JSON, has a mark of UTF-8 at most, and no other encoding."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        answer = super().get_route_handler()

        async def answered(request: Request) -> Response:
            return await answer(_Request(request.scope, request.receive))

        return answered


class _Request(Request):
    async def json(self) -> Any:
        body = await self.body()
        try:
            return from_json(body.removeprefix(codecs.BOM_UTF8))
        except ValueError as error:  # as FastAPI knows it
            raise json.JSONDecodeError(str(error), "", 0) from error
