"""Local HTTP servers with a test's own handler."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import Any


@contextmanager
def served(handler: Callable[..., Any]) -> Iterator[str]:
    """Serve with ``handler`` in a thread; yield the URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:  # of a test that failed, too: the process would never end
            server.shutdown()
            thread.join()
