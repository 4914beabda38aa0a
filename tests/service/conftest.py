"""The application over a real collection and a real, small, untrained encoder."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from hydra import compose, initialize_config_dir

from clipvec import config, paths
from clipvec.config import ServeConfig
from clipvec.service.protocol import BoundedProtocol
from clipvec.service.routes import create_app
from clipvec.service.searcher import Searcher
from clipvec.service.served import Served


@pytest.fixture(scope="session")
def served(tiny_sample: Path) -> ServeConfig:
    """Settings of a service of the bundled images."""
    overrides = [f"index.path={tiny_sample}/index", "max_body_bytes=1_000_000"]
    overrides += ["max_refusals_per_minute=null"]  # which the tests send
    with initialize_config_dir(str(paths.CONF_DIR), version_base="1.3"):
        return config.read(compose("serve", overrides), ServeConfig)


@pytest.fixture(scope="session")
def searcher(served: ServeConfig) -> Iterator[Searcher]:
    found = Searcher.open(served)
    yield found
    found.close()


@pytest.fixture(scope="session")
def client(served: ServeConfig, searcher: Searcher) -> Iterator[httpx.Client]:
    """A client of the application."""
    with answering(served, searcher) as made:
        yield made


@contextmanager
def answering(
    settings: ServeConfig, searcher: Searcher | Served, beside: Served | None = None
) -> Iterator[httpx.Client]:
    """Yield a client of an application that listens on a free port."""
    app = create_app(settings)
    app.state.beside = beside
    app.state.served = Served(searcher) if isinstance(searcher, Searcher) else searcher
    server = uvicorn.Server(uvicorn.Config(app, http=BoundedProtocol, log_level="error", ws="none"))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with httpx.Client(base_url=url, transport=httpx.HTTPTransport(retries=10)) as made:
            yield made
        server.should_exit = True
        thread.join()
