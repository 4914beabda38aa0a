"""What the service shows in a browser: its page, and the documentation of its endpoints."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import FileResponse, HTMLResponse
from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    from fastapi import FastAPI

PAGE = Path(__file__).parent / "page"
"""The folder of the page."""
_SAFE = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""The page runs no script but its own and talks to nobody else, whatever a caption says."""
_router = APIRouter()


def add_to(app: FastAPI) -> None:
    """Add the pages to an application."""
    app.include_router(_router)
    app.mount("/page", StaticFiles(directory=PAGE), name="page")


@_router.get("/", include_in_schema=False)
@_router.get("/map", include_in_schema=False)
@_router.get("/compare", include_in_schema=False)
async def page() -> FileResponse:
    """The page, with the map, with the answers of another model, or with neither."""
    return FileResponse(PAGE / "index.html", headers=_SAFE)


@_router.get("/docs", include_in_schema=False)
async def docs() -> HTMLResponse:
    """Interactive documentation of the endpoints."""
    # BentoML brings these assets, so that nothing is fetched from another network.
    assets = "static_content/swagger-ui"
    found = get_swagger_ui_html(
        openapi_url="openapi.json",
        title="clipvec",
        swagger_js_url=f"{assets}-bundle.js",
        swagger_css_url=f"{assets}.css",
        swagger_favicon_url="page/icon.svg",
    )
    found.headers.update(_SAFE | {"Content-Security-Policy": _docs_policy(bytes(found.body))})
    return found


def _docs_policy(html: bytes) -> str:
    """Return the policy of a page with scripts of its own in it: these, and those of the service.

    Swagger UI draws its icons from data, and sets styles of single elements.
    """
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
        for script in re.findall(rb"<script>(.*?)</script>", html, re.DOTALL)
    )
    return (
        f"default-src 'self'; script-src 'self' {hashes}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
