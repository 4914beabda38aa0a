"""The service that ``bentoml serve`` runs, as bentofile.yaml names it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

# BentoML puts the current folder first, where a torch.py beside photos would be taken for torch.
sys.path.sort(key=lambda place: os.path.realpath(place) == os.path.realpath(os.curdir))

import logging

import bentoml
from bentoml._internal.configuration.containers import BentoMLContainer
from fastapi import Response
from uvicorn.config import HTTP_PROTOCOLS

from clipvec.cli import fail, print_error
from clipvec.errors import ClipvecError
from clipvec.service import settings, starting
from clipvec.service.bento_model import QueryModel, settings_of
from clipvec.service.logs import one_line
from clipvec.service.problems import ErrorBodies
from clipvec.service.protocol import BoundedProtocol
from clipvec.service.routes import create_app
from clipvec.service.served import Watch

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

try:
    SETTINGS = settings.read()
except ClipvecError as error:
    fail(error)
APP = create_app(SETTINGS)
# Whoever connects could give itself any address by X-Forwarded-For, which uvicorn believes of this
# machine's own clients.
os.environ.setdefault("FORWARDED_ALLOW_IPS", "")
# NumPy's second thread spins for longer than a query takes, beside those of the encoder. Workers
# inherit this before they import NumPy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
logging.getLogger("bentoml.access").addFilter(one_line)
# BentoML starts uvicorn with "auto", and offers no option for it.
HTTP_PROTOCOLS["auto"] = f"{BoundedProtocol.__module__}:{BoundedProtocol.__name__}"
BoundedProtocol.most = SETTINGS.max_connections_per_address


@APP.get("/metrics", include_in_schema=False)
def metrics() -> Response:
    """Return what was counted, by all workers."""
    client = BentoMLContainer.metrics_client.get()
    return Response(client.generate_latest(), media_type=client.CONTENT_TYPE_LATEST)


@bentoml.service(
    # Not the package's name, which `bentoml serve <tag>` would import in place of the bento.
    name="clipvec-service",
    workers=SETTINGS.workers,
    # BentoML's own default is every network that the machine has.
    http={"host": "127.0.0.1", "port": 3000},
    # `clipvec.service.admission` counts concurrent requests, and exempts the page's own files.
    traffic={"timeout": 60},
    # BentoML's own would keep a series of every path that anyone ever asked for.
    metrics={"enabled": False},
)
@bentoml.asgi_app(APP)
class Clipvec:
    """Search images by text, image, or both."""

    model = QueryModel(SETTINGS)

    @bentoml.on_deployment
    @staticmethod
    def before_workers() -> None:
        """Let a worker that cannot start end the whole, unless one was up."""
        starting.before_workers()

    def __init__(self) -> None:
        try:
            bento = Clipvec.bento  # type: ignore[attr-defined]  # a bentoml.Service by now
            found = settings_of(bento, SETTINGS) if bento else SETTINGS
            self.watch = Watch(found)
            APP.state.served = self.watch.served
            self.beside = self._beside()
            APP.state.beside = self.beside and self.beside.served
            starting.is_up()
        except ClipvecError as error:
            print_error(error)
            starting.failed(error.exit_code)
            raise

    def _beside(self) -> Watch | None:
        """Return what is compared; what is served does not fail with it, whatever it is by now."""
        try:
            return self.watch.beside()
        except ClipvecError as error:
            print_error(error)
            return None

    @bentoml.on_shutdown
    def close(self) -> None:
        """Let go of the collections."""
        for watch in filter(None, (self.beside, self.watch)):
            watch.close()


class OwnReadiness:
    """Lets our application answer ``/readyz``: BentoML's own answer has no room for a reason."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        own = scope["type"] == "http" and scope["path"] == "/readyz"
        await (APP if own else self._app)(scope, receive, send)


Clipvec.add_asgi_middleware(OwnReadiness)  # type: ignore[attr-defined]
Clipvec.add_asgi_middleware(ErrorBodies)  # type: ignore[attr-defined]
