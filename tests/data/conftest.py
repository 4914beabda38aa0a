from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.data.making import Fetched
from tests.http_server import served


@pytest.fixture
def ranges(tmp_path: Path) -> Iterator[tuple[str, Fetched]]:
    """A server of the folder with range support, like an object store, and the bytes it sent."""
    fetched: Fetched = defaultdict(list)

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._begin(200, (tmp_path / self.path[1:]).stat().st_size)

        def do_GET(self) -> None:
            content = (tmp_path / self.path[1:]).read_bytes()
            asked = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            if asked is not None:
                last = min(int(asked[2] or len(content)), len(content) - 1)
                content = content[int(asked[1]) : last + 1]
            fetched[self.path].append(len(content))
            self._begin(206 if asked else 200, len(content))
            self.wfile.write(content)

        def _begin(self, status: int, length: int) -> None:
            self.send_response(status)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(length))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with served(Handler) as url:
        yield url, fetched
