"""The endpoints of the service."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from fastapi import (
    APIRouter,
    Depends,
    FastAPI,
    File,
    Form,
    HTTPException,
    Path,
    Query,
    Request,
    Response,
    UploadFile,
)
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.convertors import PathConvertor, register_url_convertor

from clipvec.errors import ConfigError
from clipvec.service import metrics, pages, problems, schema
from clipvec.service.admission import BESIDE, Admission
from clipvec.service.hosts import HostCheck
from clipvec.service.json_body import JsonRoute
from clipvec.service.limits import BodyLimit, key_is_set
from clipvec.service.originals import Originals
from clipvec.service.searcher import Searcher
from clipvec.service.served import Served, mismatch
from clipvec.version import __version__

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import numpy as np

    from clipvec.config import ServeConfig
    from clipvec.index import Hit

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": schema.Problem, "description": reason}
    for code, reason in {
        400: "the body cannot be parsed",
        401: "no API key, or a wrong one",
        403: "originals are not shown to this client",
        404: "there is no such row",
        409: "a point is of another map",
        413: "more bytes than are read",
        415: "another content type is needed",
        422: "something in the request is not allowed",
        429: "too many queries, in a minute or at once",
        503: "the collection does not answer",
        504: "it would take more than a minute",
    }.items()
}
# For the documentation; the key was checked by `Admission`.
_KEYS = [
    Depends(HTTPBearer(auto_error=False)),
    Depends(APIKeyHeader(name="X-API-Key", auto_error=False)),
]


class _AnyPath(PathConvertor):
    """The rest of a path; Starlette's own ends at a line feed, which an id may have."""

    regex = "(?s:.*)"


register_url_convertor("path", _AnyPath())  # also for BentoML, which mounts the application

_LOST = "deletions that cannot be read are not honoured, the others are; the log names them"
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_JPEG = {"content": {"image/jpeg": _BINARY}}
_BYTES = {"content": {"application/octet-stream": _BINARY}}
_IMAGE = {"content": {"image/*": _BINARY}}
api = APIRouter(dependencies=_KEYS, responses=_PROBLEMS, route_class=JsonRoute)


def create_app(settings: ServeConfig) -> FastAPI:
    """Return the application.

    Set its ``state.served`` before the first request, and with ``settings.beside`` also its
    ``state.beside``.
    """
    app = FastAPI(
        title="clipvec",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        # It would send browsers to whatever host the request names.
        redirect_slashes=False,
    )
    app.state.originals = Originals(settings)
    app.state.beside, app.state.compares = None, settings.beside is not None
    app.include_router(api)
    if settings.beside:
        app.include_router(api, prefix=BESIDE, include_in_schema=False)
    app.include_router(_state)
    pages.add_to(app)
    problems.add_handlers(app)
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes)
    app.add_middleware(Admission, settings=settings)
    app.add_middleware(HostCheck, allowed=settings.allowed_hosts)
    app.add_middleware(metrics.RequestMetrics)
    return app


async def _served(request: Request) -> Served:
    beside = request.scope["path"].startswith(f"{BESIDE}/")
    found: Served | None = request.app.state.beside if beside else request.app.state.served
    if found is None:
        raise HTTPException(503, "what is to be compared could not be opened; see the log")
    return found


_Holder = Annotated[Served, Depends(_served)]


async def _searcher(served: _Holder) -> AsyncIterator[Searcher]:
    """Give a request one searcher from its start to its end."""
    with served.hold() as found:
        yield found


Asked = Annotated[Searcher, Depends(_searcher)]
_Upload = Annotated[schema.Upload, Form(media_type="multipart/form-data")]
# As many as there are attributes; headers that are too long bound what else they may be.
_Names = Annotated[list[schema.Filter] | None, Query()]
_Where = Annotated[list[schema.Filter] | None, Query(max_length=schema.MAX_TERMS)]
_Number = Annotated[int, Path(ge=0, lt=2**32)]
_MAP = "Clipvec-Map"
"""Header with what tells the map of some points."""
_Map = Annotated[str | None, Query(description=f"{_MAP} of the points; without it, the latest")]
_Uploads = Annotated[list[UploadFile], File(description="image files")]


@api.post("/search", tags=["search"])
async def search(query: schema.Query, searcher: Asked, response: Response) -> list[schema.Found]:
    """Rows that fit a weighted sum of texts, images, rows and vectors, best first."""
    started = time.perf_counter()
    vector = await searcher.vector(query.all_terms())
    encoded = time.perf_counter()
    if query.n_results is not None:
        query = query.model_copy(update={"k": query.n_results})
    found = await _found(searcher, vector, query)
    _say_times(response, started, encoded)
    if query.n_results is not None:
        thumbnails = await asyncio.gather(*(_base64(searcher, row.id) for row in found))
        for row, thumbnail in zip(found, thumbnails, strict=True):
            row.image_base64 = thumbnail
    return found


@api.post("/search_image", tags=["search"])
async def search_image(form: _Upload, searcher: Asked, response: Response) -> list[schema.Found]:
    """Rows that look like an uploaded image, best first."""
    started = time.perf_counter()
    with metrics.STAGE_SECONDS.labels("encode").time():
        (vector,) = await searcher.queries.images([await _file(form.image)])
    encoded = time.perf_counter()
    found = await _found(searcher, vector, form)
    _say_times(response, started, encoded)
    return found


@api.post("/similar", tags=["search"])
async def similar(query: schema.Similar, searcher: Asked) -> list[schema.Found]:
    """Rows that look like one of the collection, without that row itself, best first."""
    vector = await searcher.vector([schema.Term(id=query.id)])
    more = query.model_copy(update={"k": query.k + 1})
    found = await _found(searcher, vector, more)
    return [row for row in found if row.id != query.id][: query.k]


@api.post("/embed_text", tags=["embed"])
async def embed_text(given: schema.Texts, searcher: Asked) -> schema.Embeddings:
    """Texts to vectors."""
    with metrics.STAGE_SECONDS.labels("encode").time():
        vectors = await asyncio.gather(*map(searcher.queries.text, given.texts))
    return _embeddings(vectors, searcher)


@api.post("/embed_image", tags=["embed"])
async def embed_image(images: _Uploads, searcher: Asked) -> schema.Embeddings:
    """Image files to vectors."""
    if len(images) > schema.MAX_BATCH:
        raise ConfigError(f"images: at most {schema.MAX_BATCH} at once, not {len(images)}")
    with metrics.STAGE_SECONDS.labels("encode").time():
        vectors = await searcher.queries.images([await _file(image) for image in images])
    return _embeddings(vectors, searcher)


@api.get("/item/{id:path}", tags=["rows"])
async def item(id: str, searcher: Asked) -> schema.Row:
    """A row of the collection."""
    return schema.Row(**_row(await searcher.row(_known(id))))


@api.get("/thumbnail/{id:path}", tags=["rows"], response_class=Response, responses={200: _JPEG})
async def thumbnail(id: str, searcher: Asked, request: Request) -> Response:
    """The thumbnail of a row, a JPEG."""
    image = await searcher.thumbnail(_known(id))
    tag = hashlib.blake2b(image, digest_size=12).hexdigest()
    return _unless_kept(request, image, tag, "image/jpeg")


@api.get("/original/{id:path}", tags=["rows"], response_class=Response, responses={200: _IMAGE})
async def original(id: str, searcher: Asked, request: Request) -> Response:
    """The file of a row, if it is on the service's machine; a JPEG of it if no browser shows it."""
    originals: Originals = request.app.state.originals
    originals.check(request)
    hit = await searcher.row(_known(id))
    return await originals.response(hit.uri, request.client.host if request.client else "")


@api.get("/map/points", tags=["map"], response_class=Response, responses={200: _BYTES})
async def map_points(searcher: Asked, request: Request) -> Response:
    """Places of rows on the map: two little-endian 16-bit numbers each, x and y from 0 to 65534.

    65535 is a row that was deleted. A point's number is its place, from 0, in this map, which the
    header Clipvec-Map names.
    """
    found = await searcher.map.points()
    answer = _unless_kept(request, found.data, found.tag, "application/octet-stream")
    answer.headers[_MAP] = found.map
    return answer


@api.get("/map/row/{number}", tags=["map"])
async def map_row(number: _Number, searcher: Asked, map: _Map = None) -> schema.Row:
    """The row of a point of the map."""
    return schema.Row(**_row(await searcher.row(await searcher.map.id(number, map))))


@api.post("/map/find", tags=["map"])
async def map_find(rows: schema.Ids, searcher: Asked, map: _Map = None) -> schema.PointNumbers:
    """The points of rows, in their order, without those that are not on the map."""
    return schema.PointNumbers(points=await searcher.map.find(rows.ids, map))


@api.get("/stats", tags=["service"])
async def stats(searcher: Asked, request: Request) -> schema.Stats:
    """What is served."""
    collection = searcher.collection
    return schema.Stats(
        collection=collection.name,
        rows=await searcher.count(),
        dim=collection.dim,
        model=collection.model_config.name,
        model_digest=searcher.model_digest,
        arch=searcher.queries.encoder.arch,
        dataset=str(collection.fingerprint.dataset["name"]),
        attributes=collection.attributes,
        compared=request.app.state.beside is not None,
    )


@api.get("/facets", tags=["service"])
async def facets(searcher: Asked, key: _Names = None, where: _Where = None) -> schema.Facets:
    """How many rows pass all filters, and the values of attributes (``key``) among them."""
    return await searcher.facets(key or (), where or ())


_state = APIRouter()


@_state.get("/health", tags=["service"], responses={503: _PROBLEMS[503]})
async def health(searcher: Asked) -> schema.Health:
    """Whether the service is up, and its number of rows; /readyz proves that it answers."""
    return schema.Health(status="healthy", collection_size=await searcher.count())


async def _fault(served: Served, beside: Served | None) -> str:
    """Return why nothing is compared with what is served; empty: it is."""
    if beside is None:
        return "it could not be opened at the start; see the log"
    if not await beside.ready():
        return "it does not answer; see the log"
    return beside.waiting or mismatch(served, beside)


@_state.api_route("/readyz", methods=["GET", "HEAD"], include_in_schema=False)
async def readyz(served: _Holder, request: Request) -> schema.Ready:
    """Whether the golden pair comes out as it should and rows are found; 503 until then."""
    if not await served.ready():
        raise HTTPException(503, "the service is not ready; see its log")
    waiting, beside = served.waiting, request.app.state.beside
    if not waiting and request.app.state.compares:  # what is served does not fail with it
        fault = await _fault(served, beside)
        waiting = fault and f"beside: {fault}"
    with served.hold() as searcher:
        if not waiting and searcher.collection.lost_deletions():
            waiting = _LOST
    return schema.Ready(waiting=waiting or None)


async def _found(
    searcher: Searcher, vector: np.ndarray, options: schema.Options
) -> list[schema.Found]:
    return [
        schema.Found(**_row(hit), similarity=hit.score, z_score=z_score)
        for hit, z_score in await searcher.search(vector, options)
    ]


def _row(hit: Hit) -> dict[str, Any]:
    return {
        "id": hit.id,
        "caption": hit.caption,
        "uri": hit.uri,
        "width": hit.width,
        "height": hit.height,
        "attributes": hit.attributes,
        "thumbnail": f"thumbnail/{quote(hit.id, safe='')}",
    }


def _unless_kept(request: Request, content: bytes, tag: str, media_type: str) -> Response:
    """Return what a client may keep, or that what it has kept is what it was."""
    headers = {
        # Where there is a key, no proxy may hand it to those without. Whoever keeps it asks whether
        # it still is what it was: a row may have been deleted.
        "Cache-Control": f"{'private' if key_is_set() else 'public'}, no-cache",
        "ETag": f'"{tag}"',
        "X-Content-Type-Options": "nosniff",
    }
    if f'"{tag}"' in request.headers.get("If-None-Match", ""):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


async def _base64(searcher: Searcher, id: str) -> str | None:
    try:
        return base64.b64encode(await searcher.thumbnail(id)).decode()
    except ConfigError:
        return None


def _embeddings(vectors: list[np.ndarray], searcher: Searcher) -> schema.Embeddings:
    return schema.Embeddings(
        dim=len(vectors[0]),
        vectors=[v.tolist() for v in vectors],
        model=searcher.model_digest,
    )


def _known(id: str) -> str:
    """Return an id that an index can look up."""
    if not schema.is_id(id):
        raise ConfigError("the id is not one of a row")
    return id


async def _file(upload: UploadFile) -> tuple[str, bytes]:
    """Return what the searcher takes: what the file is called in an error, and its bytes."""
    return f"image {(upload.filename or 'without a name')[:80]!r}", await upload.read()


def _say_times(response: Response, started: float, encoded: float) -> None:
    """Report how long the stages took, for a browser's developer tools."""
    done = time.perf_counter()
    response.headers["Server-Timing"] = (
        f"encode;dur={(encoded - started) * 1e3:.1f}, search;dur={(done - encoded) * 1e3:.1f}"
    )
