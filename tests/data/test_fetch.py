from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import tenacity

from clipvec.data import fetch
from clipvec.data.fetch import read_files
from clipvec.errors import DatasetError

CLOSED = "http://127.0.0.1:9"
"""A port where nobody listens."""


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_WAIT", tenacity.wait_none())


@pytest.fixture
def asked() -> Counter[str]:
    """How often each path was asked for."""
    return Counter()


@pytest.fixture
def server(asked: Counter[str]) -> Iterator[str]:
    """A server that answers ``/403`` with that status, and with ``/503-2`` twice, then well."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked[self.path] += 1
            status, _, times = self.path.lstrip("/").partition("?")[0].partition("-")
            good = bool(times) and asked[self.path] > int(times)
            self.send_response(200 if good else int(status))
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"good")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def test_a_file_that_is_missing_on_a_disk(tmp_path: Path) -> None:
    (tmp_path / "a[1]*.png").write_bytes(b"one")
    contents = read_files([f"{tmp_path}/none.png", f"{tmp_path}/a[1]*.png"])
    assert isinstance(contents[0], FileNotFoundError)
    assert contents[1] == b"one"


def test_what_a_server_refuses_is_the_row_s(server: str, asked: Counter[str]) -> None:
    statuses = [403, 404, 410, 451]
    contents = read_files([f"{server}/{status}?key=secret" for status in statuses])
    assert [type(content) for content in contents] == [
        PermissionError,
        FileNotFoundError,
        OSError,
        OSError,
    ]
    assert str(contents[0]) == "the server answers 403 Forbidden"
    assert "secret" not in "".join(map(str, contents))
    assert set(asked.values()) == {1}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("foo://x/a.png", "Protocol not known: foo"),
        ("http://[x/a.png", "Invalid IPv6 URL"),
        ("/folder/a\0b.png", "null byte"),
        (f"{CLOSED}/a.png?key=secret", "Cannot connect to host 127.0.0.1:9"),
    ],
)
def test_what_cannot_be_asked_for_is_the_row_s(server: str, path: str, said: str) -> None:
    bad, good = read_files([path, f"{server}/200"])
    assert isinstance(bad, OSError)
    assert said in str(bad)
    assert "secret" not in str(bad)
    assert good == b"good"


def test_a_busy_server_is_asked_again(server: str, asked: Counter[str]) -> None:
    found = read_files([f"{server}/503-2", f"{server}/429-1", f"{server}/200", f"{server}/500"])
    assert found[:3] == [b"good"] * 3
    assert str(found[3]) == "the server answers 500 Internal Server Error"
    assert asked == {"/503-2": 3, "/429-1": 2, "/200": 1, "/500": 4}


def test_a_network_that_is_gone() -> None:
    with pytest.raises(DatasetError, match=r"none of 2 files .*127\.0\.0\.1:9/a\.png: Cannot"):
        read_files([f"{CLOSED}/a.png?key=secret", f"{CLOSED}/b.png"])
