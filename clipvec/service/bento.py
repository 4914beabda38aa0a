"""The service that ``bentoml serve`` runs, as bentofile.yaml names it."""

from __future__ import annotations

import os
import signal
import sys

import bentoml

from clipvec.app import fail, print_error
from clipvec.errors import ClipvecError
from clipvec.service import Searcher, create_app, settings

_STARTER = "CLIPVEC_SERVE_PID"
"""Environment variable with the process that started the workers."""

try:
    SETTINGS = settings.read()
except ClipvecError as error:
    fail(error)
APP = create_app(SETTINGS)


@bentoml.service(
    name="clipvec",
    workers=SETTINGS.workers,
    # BentoML's own default is every network that the machine has.
    http={"host": "127.0.0.1", "port": 3000},
    traffic={"timeout": 60, "max_concurrency": SETTINGS.max_requests * SETTINGS.workers},
)
@bentoml.asgi_app(APP)
class Clipvec:
    """Search images by text, image, or both."""

    @bentoml.on_deployment
    @staticmethod
    def before_workers() -> None:
        """Let a worker that cannot start end the whole; BentoML would start it again for ever."""
        os.environ[_STARTER] = str(os.getpid())
        signal.signal(signal.SIGUSR1, lambda *_: sys.exit(2))

    def __init__(self) -> None:
        try:
            self.searcher = APP.state.searcher = Searcher.open(SETTINGS)
        except ClipvecError as error:
            print_error(error)
            if os.environ.get(_STARTER) == str(os.getppid()):
                os.kill(os.getppid(), signal.SIGUSR1)
                os._exit(error.exit_code)
            raise

    async def __is_ready__(self) -> bool:
        """Answer ``/readyz``: the golden pair comes out as it should, and rows are found."""
        return await self.searcher.ready()

    @bentoml.on_shutdown
    def close(self) -> None:
        """Let go of the collection."""
        self.searcher.close()
