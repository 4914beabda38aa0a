"""Originals: of rows of the index alone, for those who may see them."""

from __future__ import annotations

import asyncio
import io
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import HTTPException
from PIL import Image
from starlette.requests import Request

from clipvec.config import ServeConfig
from clipvec.service import originals, protocol
from clipvec.service.originals import Originals
from clipvec.service.protocol import BoundedProtocol
from clipvec.service.searcher import Searcher
from tests.service.conftest import answering
from tests.waiting import until

ID = "sample-0002/0133"


def test_the_file_of_a_row(client: httpx.Client) -> None:
    answer = client.get(f"/original/{ID}")
    row = client.get(f"/item/{ID}").json()
    image = Image.open(io.BytesIO(answer.content))
    assert image.size == (row["width"], row["height"])
    headers = answer.headers
    assert headers["content-type"] == f"image/{(image.format or '').lower()}"
    assert int(headers["content-length"]) == len(answer.content)
    assert headers["cache-control"] == "private, no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"


@pytest.mark.parametrize("id", ["none", "/etc/passwd", "..%2f..%2fetc%2fpasswd", "pkg:%2f%2fx"])
def test_only_rows_of_the_index(client: httpx.Client, id: str) -> None:
    answer = client.get(f"/original/{id}")
    assert answer.status_code == 404
    assert answer.json()["error"].startswith("there is no row")


def test_a_file_that_is_gone(shown_at: Callable[[Path], httpx.Response], tmp_path: Path) -> None:
    answer = shown_at(tmp_path / "gone.jpg")
    assert (answer.status_code, answer.json()["error"]) == (
        404,
        f"the file is gone: {tmp_path}/gone.jpg",
    )


@pytest.fixture
def shown_at(
    client: httpx.Client, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Path], httpx.Response]:
    """Ask for the original of a row whose file is another."""
    row = asyncio.run(searcher.row(ID))

    def ask(file: Path) -> httpx.Response:
        async def moved(_: str) -> Any:
            return replace(row, uri=str(file))

        monkeypatch.setattr(searcher, "row", moved)
        return client.get(f"/original/{ID}")

    return ask


@pytest.mark.parametrize("kind", ["TIFF", "HEIC", "JPEG XL"])
def test_what_browsers_do_not_show_goes_out_as_a_jpeg(
    shown_at: Callable[[Path], httpx.Response], tmp_path: Path, kind: str
) -> None:
    image = Image.new("RGB", (4200, 1000), "red")
    image.paste("blue", (0, 0, 2100, 1000))
    file = tmp_path / "a.bin"
    if kind == "JPEG XL":
        codec = pytest.importorskip("imagecodecs", reason="clipvec[jxl] is not installed")
        file.write_bytes(codec.jpegxl_encode(np.asarray(image), effort=1))
    elif kind == "HEIC":
        heif = pytest.importorskip("pillow_heif", reason="clipvec[heic] is not installed")
        heif.from_pillow(image).save(file, quality=90)
    else:
        image.save(file, kind, tiffinfo={274: 6})  # lies on its side
    answer = shown_at(file)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.headers["cache-control"] == "private, no-store"
    found = Image.open(io.BytesIO(answer.content))
    long, short = (found.height, found.width) if kind == "TIFF" else found.size
    assert 0.9 * 2048 <= long <= 2048
    assert short == pytest.approx(long / 4.2, abs=1)
    first = found.getpixel((short // 2, 20))
    assert isinstance(first, tuple)
    assert first[2] > 200 > 60 > first[0]


def test_such_a_jpeg_is_kept(
    shown_at: Callable[[Path], httpx.Response], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.tiff"
    Image.new("RGB", (40, 30), "red").save(file)
    first = shown_at(file).content
    with monkeypatch.context() as without:
        without.delattr(originals, "ImageReader")
        assert shown_at(file).content == first
    Image.new("RGB", (60, 30), "red").save(file)
    os.utime(file, ns=(1, 1))
    assert Image.open(io.BytesIO(shown_at(file).content)).size == (60, 30)


def test_what_cannot_be_decoded(
    shown_at: Callable[[Path], httpx.Response], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.tiff"
    Image.new("1", (9000, 9000)).save(file, compression="group4")
    for content, reason in {
        b"<script>alert(1)</script>": "not a supported image format",
        b"RIFF\0\0\0\0WAVEfmt ": "damaged",
        file.read_bytes(): "81000000 pixels, more than max_pixels=50000000",
    }.items():
        file.write_bytes(content)
        answer = shown_at(file)
        assert answer.status_code == 404
        assert reason in answer.json()["error"]
    monkeypatch.setattr(originals, "_LARGEST", 3)
    file.write_bytes(b"four")
    assert shown_at(file).json()["error"] == "the original has 4 bytes, more than 3"


def test_who_stops_reading_is_let_go(
    client: httpx.Client, searcher: Searcher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The file is more than the system keeps for a connection that nobody reads."""
    large = tmp_path / "large.png"
    Image.effect_noise((4000, 4000), 90).save(large, compress_level=0)
    row = asyncio.run(searcher.row(ID))

    async def of_the_large(_: str) -> Any:
        return replace(row, uri=str(large))

    monkeypatch.setattr(searcher, "row", of_the_large)
    monkeypatch.setattr(originals, "_EACH", 1)
    monkeypatch.setattr(protocol, "SEND_SECONDS", 0.5)
    monkeypatch.setattr(protocol, "LEAST_RATE", 10**9)
    with socket.create_connection((client.base_url.host, client.base_url.port), 20) as stopped:
        before = sum(BoundedProtocol._open.values())
        stopped.sendall(f"GET /original/{ID} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert stopped.recv(12) == b"HTTP/1.1 200"
        assert client.get(f"/original/{ID}").status_code == 429
        until(lambda: client.get(f"/original/{ID}").content == large.read_bytes())
        assert sum(BoundedProtocol._open.values()) < before + 1


def test_who_may_see_them(client: httpx.Client, served: ServeConfig, searcher: Searcher) -> None:
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
        answer = client.get(f"/original/{ID}", headers={header: "127.0.0.1"})
        assert answer.status_code == 403
        assert "originals=all in CLIPVEC_SERVE" in answer.json()["error"]
    for chosen, status in {"all": 200, "nobody": 403}.items():
        with answering(replace(served, originals=chosen), searcher) as other:  # type: ignore[arg-type]
            answer = other.get(f"/original/{ID}", headers={"X-Forwarded-For": "10.0.0.1"})
            assert answer.status_code == status


@pytest.mark.parametrize(
    ("host", "client", "local"),
    [
        ("localhost:3000", "127.0.0.1", True),
        ("[::1]:3000", "::1", True),
        ("photos.example.org", "127.0.0.1", False),
        ("localhost", "10.0.0.1", False),
        ("localhost", "unix", False),
        ("localhost", None, False),
    ],
)
def test_this_machine(served: ServeConfig, host: str, client: str | None, local: bool) -> None:
    known = {
        "client": None if client is None else (client, 5),
        "headers": [(b"host", host.encode())],
    }
    request = Request({"type": "http", "scheme": "http", "path": "/", "query_string": b"", **known})
    if local:
        Originals(served).check(request)
    else:
        with pytest.raises(HTTPException, match="own machine alone"):
            Originals(served).check(request)


@pytest.mark.parametrize(("limit", "other"), [("_AT_ONCE", False), ("_EACH", True)])
def test_so_many_at_once(
    served: ServeConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    other: bool,
) -> None:
    monkeypatch.setattr(originals, limit, 1)
    Image.effect_noise((900, 900), 90).save(tmp_path / "a.png")

    async def main() -> None:
        shown = Originals(replace(served, originals="all"))
        first = await shown.response(f"{tmp_path}/a.png", "10.0.0.1")
        sending = asyncio.Event()

        async def hang(message: Any) -> None:
            sending.set()
            await asyncio.Event().wait()

        async def receive() -> Any:
            await asyncio.Event().wait()

        scope = {"type": "http", "asgi": {"spec_version": "2.4"}}
        slow = asyncio.create_task(first(scope, receive, hang))  # type: ignore[arg-type]
        await sending.wait()
        with pytest.raises(HTTPException, match="originals are sent at once"):
            await shown.response(f"{tmp_path}/a.png", "10.0.0.1")
        if other:
            (await shown.response(f"{tmp_path}/a.png", "10.0.0.2"))._stream.close()  # type: ignore[attr-defined]
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        assert first._stream.closed  # type: ignore[attr-defined]
        (await shown.response(f"{tmp_path}/a.png", "10.0.0.1"))._stream.close()  # type: ignore[attr-defined]

    asyncio.run(main())
