from __future__ import annotations

import io
import socket
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import fsspec
import pytest
import tenacity

from clipvec.data import fetch, regular
from clipvec.data.fetch import read_files
from clipvec.data.regular import TooManyBytes
from clipvec.errors import ConfigError, DatasetError
from tests.http_server import served

MOST = 10**6
CLOSED = "http://127.0.0.1:9"
"""A port without a listener."""


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_WAIT", tenacity.wait_none())


@pytest.fixture
def asked() -> Counter[str]:
    """Number of requests per path."""
    return Counter()


@pytest.fixture
def server(asked: Counter[str]) -> Iterator[str]:
    """A server: ``/403`` always has that status, ``/503-2`` has it twice and then succeeds.

    ``/cut-1`` breaks off in the middle of its first response.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked[self.path] += 1
            status, _, times = self.path.lstrip("/").partition("?")[0].partition("-")
            good = bool(times) and asked[self.path] > int(times)
            cut = status == "cut"
            self.send_response(200 if good or cut else int(status))
            self.send_header("Content-Length", "4" if good or not cut else "5")
            self.end_headers()
            self.wfile.write(b"good")

        def log_message(self, *_: object) -> None:
            pass

    with served(Handler) as url:
        yield url


@pytest.mark.parametrize("most", [4, 3])
def test_no_more_than_the_limit_is_read(server: str, most: int) -> None:
    with fsspec.open("memory://bounds/four", "wb") as file:
        file.write(b"good")
    for content in read_files([f"{server}/200", "memory://bounds/four"], most):
        if most == 4:
            assert content == b"good"
        else:
            assert isinstance(content, TooManyBytes)


def test_a_missing_local_file(tmp_path: Path) -> None:
    (tmp_path / "a[1]*.png").write_bytes(b"one")
    contents = read_files([f"{tmp_path}/none.png", f"{tmp_path}/a[1]*.png"], MOST)
    assert isinstance(contents[0], FileNotFoundError)
    assert contents[1] == b"one"


@pytest.mark.parametrize(("writes", "content"), [(2, b"one two two"), (9, None)])
def test_a_file_that_is_written_to_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int, content: bytes | None
) -> None:
    """What is read of it is of one moment, or nothing is."""
    file = tmp_path / "a.png"
    file.write_bytes(b"one")
    left = [writes]

    class Interfered(io.BufferedReader):
        def read(self, size: int | None = -1) -> bytes:
            found = super().read(size)
            if left[0]:
                left[0] -= 1
                with file.open("ab") as other:
                    other.write(b" two")
            return found

    monkeypatch.setattr(regular, "open_regular", lambda path: Interfered(io.FileIO(path)))
    (found,) = read_files([str(file)], MOST)
    assert found == content if content else isinstance(found, regular.Unsteady)


def test_a_refused_file_rejects_its_row(server: str, asked: Counter[str]) -> None:
    statuses = [403, 404, 410, 451]
    contents = read_files([f"{server}/{status}?key=secret" for status in statuses], MOST)
    assert [type(content) for content in contents] == [
        PermissionError,
        FileNotFoundError,
        OSError,
        OSError,
    ]
    assert str(contents[0]) == "the server returned 403 Forbidden"
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
def test_a_malformed_address_rejects_its_row(server: str, path: str, said: str) -> None:
    bad, good = read_files([path, f"{server}/200"], MOST)
    assert isinstance(bad, OSError)
    assert said in str(bad)
    assert "secret" not in str(bad)
    assert good == b"good"


def test_a_busy_server_is_retried(server: str, asked: Counter[str]) -> None:
    found = read_files(
        [f"{server}/503-2", f"{server}/429-1", f"{server}/200", f"{server}/500"], MOST
    )
    assert found[:3] == [b"good"] * 3
    assert str(found[3]) == "the server returned 500 Internal Server Error"
    assert asked == {"/503-2": 3, "/429-1": 2, "/200": 1, "/500": 4}


def test_an_interrupted_response_is_retried(server: str, asked: Counter[str]) -> None:
    found = read_files([f"{server}/cut-1", f"{server}/cut-9"], MOST)
    assert found[0] == b"good"
    assert str(found[1]).startswith("Response payload is not completed")
    assert asked == {"/cut-1": 2, "/cut-9": 4}


def test_retries_are_bounded(
    server: str, asked: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "_PATIENCE", 0.0)
    read_files([f"{server}/503-2"], MOST)
    assert asked == {"/503-2": 1}


def test_hosts_that_no_longer_exist(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    dead = ["http://gone.invalid/1.png?key=secret", "http://gone.invalid/2.png"]
    for content in read_files(dead, MOST):  # all rows of one site are dead links
        assert isinstance(content, OSError)
        assert content.strerror == "Name or service not known"
    with pytest.raises(DatasetError, match=r"gone\.invalid/1\.png: Cannot connect"):
        read_files([*dead, "http://other.invalid/1.png"], MOST)


def test_a_missing_package_is_named(server: str) -> None:
    gone, good = read_files(["gs://bucket/a.png", f"{server}/200"], MOST)
    assert isinstance(gone, OSError)
    assert "gcsfs" in str(gone)
    assert good == b"good"
    with pytest.raises(ConfigError, match=r"run: pip install 'clipvec\[gcs\]'"):
        read_files(["gs://bucket/a.png", "gs://bucket/b.png"], MOST)


def test_an_unreachable_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    s3fs = pytest.importorskip("s3fs")
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    for name, value in {**keys, "AWS_ENDPOINT_URL": CLOSED}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    monkeypatch.setattr(fetch, "_TRIES", 1)
    s3fs.S3FileSystem.clear_instance_cache()  # one that other tests connected elsewhere
    try:
        with pytest.raises(DatasetError, match=r"s3://photos/a\.png: Could not connect"):
            read_files(["s3://photos/a.png", "s3://photos/b.png"], MOST)
    finally:
        s3fs.S3FileSystem.clear_instance_cache()


def test_a_network_outage() -> None:
    with pytest.raises(
        DatasetError, match=r"none of 2 consecutive .*127\.0\.0\.1:9/a\.png: Cannot"
    ):
        read_files([f"{CLOSED}/a.png?key=secret", f"{CLOSED}/b.png"], MOST)
