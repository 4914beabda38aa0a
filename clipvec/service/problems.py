"""Errors as a status and one sentence."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from clipvec.errors import ClipvecError, ConfigError, one_line, printable
from clipvec.service import metrics
from clipvec.service.map_points import NotOnMap, OtherMap
from clipvec.service.searcher import OtherModel, UnknownRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import FastAPI, Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)
_LONGEST = 300
_REASONS = {
    404: "there is nothing at this path; /docs shows what there is",
    503: "the service is not ready; see its log",
}
_NOT_JSON = "the body is not JSON in UTF-8, uncompressed and of a few levels"
_CLEARER = {"There was an error parsing the body": "the body cannot be parsed"}
"""FastAPI's words, and ours."""
_FORMS = {"search_image": "multipart/form-data", "embed_image": "multipart/form-data"}
"""Last parts of paths that take no JSON."""


class ErrorBodies:
    """Rewrites refusals from outside the application, such as an unknown path, as our JSON.

    BentoML sends them as plain text, and redirects paths that end in a slash to whatever host the
    request names (1.4): those are paths at which there is nothing.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back."""
        refused = False

        async def rewritten(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start":
                status, kind = message["status"], dict(message["headers"]).get(b"content-type", b"")
                if status == HTTPStatus.TEMPORARY_REDIRECT:
                    status, kind = 404, b"text/plain"
                if status >= 400 and kind.startswith(b"text/plain"):
                    refused = True
                    reason = _REASONS.get(status, HTTPStatus(status).phrase.lower())
                    await refusal(status, reason)(scope, receive, send)
            if not refused:
                await send(message)

        await self._app(scope, receive, rewritten if scope["type"] == "http" else send)


def add_handlers(app: FastAPI) -> None:
    """Answer errors of clipvec, of validation and of HTTP in one form."""

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        wanted = _FORMS.get(request.url.path.rpartition("/")[2], "application/json")
        given = request.headers.get("content-type", "")
        if request.method == "POST" and not given.lower().startswith(wanted):
            return refusal(415, f"the content type is {given or 'missing'}; send {wanted}")
        return refusal(422, sentence(error.errors()))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        reason = _CLEARER.get(error.detail, error.detail)
        return refusal(error.status_code, reason, dict(error.headers or {}))

    @app.exception_handler(ClipvecError)
    async def clipvec(request: Request, error: ClipvecError) -> Response:
        if isinstance(error, UnknownRow | NotOnMap):
            return refusal(404, str(error))
        if isinstance(error, OtherMap | OtherModel):
            return refusal(409, str(error))
        if isinstance(error, ConfigError):
            return refusal(422, str(error))
        log.error("%s: %s", printable(request.url.path), error)
        # The reason names folders of this machine, which clients must not see.
        return refusal(503, "the index does not answer; see the service log")

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        log.exception("%s", printable(request.url.path), exc_info=error)
        return refusal(500, "internal error; see the service log")


def sentence(details: Sequence[Any]) -> str:
    """Return the first of pydantic's complaints, and how many more there are."""
    first = details[0]
    # of several types that are allowed, pydantic names the one that it tried: list[...]
    named = [str(part) for part in first["loc"] if "[" not in str(part)]
    where = ".".join(part for part in named if part not in {"body", "query", "path"})
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "json_invalid":
        return _NOT_JSON
    if "Expected UploadFile" in reason:  # Starlette takes a part without a file name for text
        field = where.split(".")[0]
        return (
            f'{field} is not a file: its part needs filename="...", as curl -F {field}=@x.jpg has'
        )
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return f"{where}: {reason[0].lower()}{reason[1:]}{more}" if where else f"{reason}{more}"


def refusal(status: int, reason: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return the answer to a request that is refused, which is counted here."""
    metrics.REJECTS.labels(str(status)).inc()
    return JSONResponse({"error": one_line(reason)[:_LONGEST]}, status, headers)
