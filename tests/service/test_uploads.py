"""Images in requests and responses."""

from __future__ import annotations

import base64
import io
import json

import httpx
import numpy as np
import pytest
from PIL import Image

from clipvec.index import Term, query_vector
from clipvec.index.filters import Comparison
from clipvec.service import schema
from clipvec.service.searcher import Searcher

ID = "sample-0002/0133"
JSON = {"content-type": "application/json"}


def jpeg(size: tuple[int, int] = (64, 48)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (200, 40, 40)).save(buffer, "JPEG")
    return buffer.getvalue()


def bomb() -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (9000, 9000)).save(buffer, "PNG")
    return buffer.getvalue()


def test_an_image_is_uploaded(client: httpx.Client, searcher: Searcher) -> None:
    thumbnail = client.get(f"/thumbnail/{ID}").content
    form = {"k": "3", "where": ["width>=50"], "min_score": "0.1"}
    rows = client.post("/search_image", files={"image": thumbnail}, data=form).json()
    vector = query_vector([Term("x", image=thumbnail)], searcher.queries.encoder)
    hits = searcher.collection.query(vector, 3, Comparison("width", ">=", 50), 0.1)
    assert [row["id"] for row in rows] == [hit.id for hit in hits]


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b"", "the file is empty"),
        (b"not an image", "not a supported image format (JPEG, PNG, WebP, AVIF, GIF, BMP"),
        (jpeg()[:200], "the image is damaged"),
        (bomb(), "81000000 pixels, more than max_pixels=50000000"),
    ],
    ids=["empty", "text", "cut", "bomb"],
)
@pytest.mark.parametrize("path", ["/search_image", "/embed_image"])
def test_bad_images(client: httpx.Client, path: str, file: bytes, reason: str) -> None:
    field = "image" if path == "/search_image" else "images"
    answer = client.post(path, files={field: ("x.jpg", file)})
    assert answer.status_code == 422
    assert reason in answer.json()["error"]


def test_too_many_images_at_once(client: httpx.Client) -> None:
    large = json.dumps({"text": "a" * 1_000_001}).encode()
    for body in (large, iter([large[:500_000], large[500_000:]])):  # announced, and in chunks
        answer = client.post("/search", content=body, headers=JSON)
        assert answer.status_code == 413
        assert "at most 1,000,000 bytes" in answer.json()["error"]
    many = [("images", jpeg())] * (schema.MAX_BATCH + 1)
    assert client.post("/embed_image", files=many).status_code == 422


@pytest.mark.parametrize("kind", ["PNG", "GIF", "AVIF"])
def test_many_pixels_together(client: httpx.Client, kind: str) -> None:
    pixels = io.BytesIO()
    options = {"speed": 10} if kind == "AVIF" else {}
    Image.new("L", (7000, 7000)).save(pixels, kind, **options)  # each of them is allowed
    said = "the images have 147000000 pixels together, over 2 x max_pixels=100000000"
    many = [("images", pixels.getvalue())] * 3
    encoded = base64.b64encode(pixels.getvalue()).decode()
    terms = {"terms": [{"image": encoded}] * 3}
    for answer in (client.post("/embed_image", files=many), client.post("/search", json=terms)):
        assert answer.status_code == 422
        assert answer.json()["error"].startswith(said)


def test_images_of_a_request_share_forward_passes(
    client: httpx.Client, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    encode = searcher.queries.encoder.encode_images

    def counted(pixels: np.ndarray) -> np.ndarray:
        sizes.append(len(pixels))
        return encode(pixels)

    images = [jpeg((64, 10 + i)) for i in range(20)]
    alone = [client.post("/embed_image", files=[("images", x)]).json() for x in images]
    monkeypatch.setattr(searcher.queries.encoder, "encode_images", counted)
    files = [("images", image) for image in images]
    vectors = client.post("/embed_image", files=files).json()["vectors"]
    np.testing.assert_allclose(vectors, [x["vectors"][0] for x in alone], atol=1e-5)
    assert sum(sizes) == 20
    assert len(sizes) < 20
    assert {size.bit_count() for size in sizes} == {1}  # powers of two


def test_fields_of_the_form(client: httpx.Client) -> None:
    files = {"image": jpeg()}
    exact = client.post("/search_image", files=files, data={"k": "3", "rerank": "true"}).json()
    plain = client.post("/search_image", files=files, data={"k": "3"}).json()
    assert [row["id"] for row in exact] == [row["id"] for row in plain]
    for form, reason in (
        ({"limit": "3"}, "limit: extra inputs are not permitted"),
        ({"k": "0"}, "k: input should be greater than or equal to 1"),
        ({"k": "many"}, "k: input should be a valid integer"),
        ({"rerank": "perhaps"}, "rerank: input should be a valid boolean"),
        ({"where": "colour=red"}, "there is no attribute colour; choose from"),
    ):
        answer = client.post("/search_image", files=files, data=form)
        assert answer.status_code == 422
        assert reason in answer.json()["error"]


@pytest.mark.parametrize("path", ["/search_image", "/embed_image"])
def test_an_upload_without_a_file_name(client: httpx.Client, path: str) -> None:
    """Some clients send ``filename*`` alone."""
    field = "image" if path == "/search_image" else "images"
    head = f"Content-Disposition: form-data; name=\"{field}\"; filename*=UTF-8''x.jpg\r\n\r\n"
    body = b"--B\r\n" + head.encode() + jpeg() + b"\r\n--B--\r\n"
    kind = {"content-type": "multipart/form-data; boundary=B"}
    answer = client.post(path, content=body, headers=kind)
    assert (answer.status_code, answer.json()["error"]) == (
        422,
        f'{field} is not a file: its part needs filename="...", as curl -F {field}=@x.jpg has',
    )


def test_thumbnails_are_kept_by_browsers(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = client.get(f"/thumbnail/{ID}")
    assert first.headers["Cache-Control"] == "public, no-cache"
    assert first.headers["X-Content-Type-Options"] == "nosniff"
    again = client.get(f"/thumbnail/{ID}", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    monkeypatch.setenv("CLIPVEC_API_KEY", "secret")
    mine = client.get(f"/thumbnail/{ID}", headers={"X-API-Key": "secret"})
    assert mine.headers["Cache-Control"] == "private, no-cache"
