from __future__ import annotations

import asyncio
import base64
import codecs
import gzip
import io
import json
import time
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from clipvec.errors import CollectionError
from clipvec.index import Term, query_vector
from clipvec.service import schema
from clipvec.service.pages import PAGE
from clipvec.service.searcher import Searcher
from tests.service.test_uploads import jpeg

ID = "sample-0002/0133"
JSON = {"content-type": "application/json"}


def found(client: httpx.Client, **body: Any) -> list[dict[str, Any]]:
    answer = client.post("/search", json=body)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()
    return rows


def test_text_finds_what_the_collection_finds(client: httpx.Client, searcher: Searcher) -> None:
    rows = found(client, text="a bird", k=7)
    vector = query_vector([Term("a bird")], searcher.queries.encoder)
    hits = searcher.collection.query(vector, 7)
    assert [row["id"] for row in rows] == [hit.id for hit in hits]
    scores = [row["similarity"] for row in rows]
    assert scores == pytest.approx([hit.score for hit in hits], abs=1e-5)
    vectors = searcher.collection.vectors([row["id"] for row in rows])
    exact = [float(vectors[row["id"]] @ vector) for row in rows]
    assert scores == pytest.approx(exact, abs=1e-3)
    assert rows[0]["z_score"] > rows[-1]["z_score"] > 0


def test_terms_are_a_weighted_sum(client: httpx.Client, searcher: Searcher) -> None:
    image = jpeg()
    terms = [
        {"text": "a bird", "weight": 1.5},
        {"image": base64.b64encode(image).decode(), "weight": -0.5},
    ]
    same = [Term("a bird", 1.5), Term("red.jpg", -0.5, image)]
    hits = searcher.collection.query(query_vector(same, searcher.queries.encoder), 5)
    assert [row["id"] for row in found(client, terms=terms, k=5)] == [hit.id for hit in hits]


def test_a_row_and_its_vector_find_it(client: httpx.Client, searcher: Searcher) -> None:
    vector = searcher.collection.vectors([ID])[ID].tolist()
    for term in ({"id": ID}, {"vector": vector}, {"vector": [1e30 * x for x in vector]}):
        (row,) = found(client, terms=[term], k=1)
        assert row["id"] == ID
        assert row["similarity"] == pytest.approx(1, abs=1e-4)


def test_clients_of_the_skypilot_example(client: httpx.Client) -> None:
    rows = found(client, text="a bird", n_results=5)
    assert len(rows) == 5
    for row in rows:
        assert -1 <= row["similarity"] <= 1
        Image.open(io.BytesIO(base64.b64decode(row["image_base64"]))).verify()
    assert client.get("/health").json() == {"status": "healthy", "collection_size": 364}


@pytest.mark.parametrize(
    "where", [["category=animals", "width>=100"], {"category": {"$eq": "animals"}}]
)
def test_filters(client: httpx.Client, where: Any) -> None:
    rows = found(client, text="a bird", k=30, where=where)
    assert len(rows) == 30
    assert {row["attributes"]["category"] for row in rows} == {"animals"}


def test_lowest_score(client: httpx.Client) -> None:
    scores = [row["similarity"] for row in found(client, text="a bird", k=20)]
    rows = found(client, text="a bird", k=20, min_score=scores[9] - 1e-6)
    assert [row["similarity"] for row in rows] == pytest.approx(scores[:10])


def test_similar_leaves_the_row_out(client: httpx.Client) -> None:
    rows = client.post("/similar", json={"id": ID, "k": 4}).json()
    assert [row["id"] for row in rows] == [
        row["id"] for row in found(client, terms=[{"id": ID}], k=5)[1:]
    ]


def test_embeddings(client: httpx.Client, searcher: Searcher) -> None:
    texts = ["a bird", "猫", "кошка"]
    answer = client.post("/embed_text", json={"texts": texts}).json()
    expected = searcher.queries.encoder.encode_texts(texts)
    assert answer["dim"] == searcher.collection.dim == 64
    np.testing.assert_allclose(answer["vectors"], expected, atol=1e-5)
    files = [("images", jpeg()), ("images", jpeg((300, 20)))]
    vectors = np.array(client.post("/embed_image", files=files).json()["vectors"])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-5)


def test_rows_and_thumbnails(client: httpx.Client) -> None:
    row = client.get(f"/item/{ID}").json()
    assert (row["id"], row["caption"], row["attributes"]) == (
        ID,
        "A strawberry",
        {"category": "food"},
    )
    thumbnail = client.get(f"/{row['thumbnail']}")
    assert thumbnail.headers["content-type"] == "image/jpeg"
    size = Image.open(io.BytesIO(thumbnail.content)).size
    assert size[0] / size[1] == pytest.approx(row["width"] / row["height"], abs=0.02)


def test_stats(client: httpx.Client) -> None:
    answer = client.get("/stats").json()
    assert answer | {"collection": "sample--local", "rows": 364, "dim": 64} == answer
    assert answer["attributes"] == {"category": "string"}


def test_a_vector_of_another_model_is_refused(client: httpx.Client) -> None:
    made = client.post("/embed_text", json={"texts": ["a bird"]}).json()
    assert made["model"] == client.get("/stats").json()["model_digest"]
    term = {"vector": made["vectors"][0], "model": made["model"]}
    found = client.post("/search", json={"terms": [term]})
    assert found.json() == client.post("/search", json={"text": "a bird"}).json()
    answer = client.post("/search", json={"terms": [{**term, "model": "0123456789abcdef"}]})
    assert (answer.status_code, answer.json()["error"]) == (
        409,
        f"this vector was made by model 0123456789abcdef, and {made['model']} is served now, to "
        "which it says nothing; give its image or text again",
    )


def test_what_filters_leave(client: httpx.Client) -> None:
    answer = client.get("/facets", params={"key": ["category", "width"]}).json()
    assert answer["rows"] == 364
    category, width = answer["attributes"]["category"], answer["attributes"]["width"]
    assert (category["type"], category["missing"]) == ("string", 0)
    counts = [value["count"] for value in category["values"]]
    counts_of = {value["value"]: value["count"] for value in category["values"]}
    assert counts == sorted(counts, reverse=True)
    assert (sum(counts), category["distinct"]) == (364, len(counts))
    assert width["least"] < width["most"]
    assert client.get("/facets", params={"key": ["width", "category"] * 16}).json() == answer
    some = json.dumps({"category": {"$in": ["food", *(f"category {i:03}" for i in range(200))]}})
    assert len(some) > 3000
    assert client.get("/facets", params={"where": some}).json()["rows"] == counts_of["food"]
    few = client.get("/facets", params={"where": ["category=food", "caption~BERRY"]}).json()
    assert few["attributes"] == {}
    rows = found(client, text="a", k=364, where=["category=food", "caption~berry"])
    assert few["rows"] == len(rows) > 0
    assert all("berry" in row["caption"].lower() for row in rows)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"key": "colour"}, "key: there is no attribute colour; choose from width, height, cat"),
        ({"key": "caption"}, "key: there is no attribute caption; choose from"),
        ({"where": "colour=red"}, "where: there is no attribute colour; choose from"),
        ({"where": ["width=1"] * 17}, "where: list should have at most 16 items"),
    ],
)
def test_facets_that_there_are_not(client: httpx.Client, asked: Any, said: str) -> None:
    answer = client.get("/facets", params=asked)
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(said)


def test_the_openapi_page_shows_every_endpoint(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {
        *("/search", "/search_image", "/similar", "/embed_text", "/embed_image"),
        *("/item/{id}", "/thumbnail/{id}", "/original/{id}", "/stats", "/facets"),
        *("/map/points", "/map/row/{number}", "/map/find"),
        "/health",
    }
    assert "swagger-ui-bundle.js" in client.get("/docs").text


def test_the_openapi_document_is_accurate(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    schemes = document["components"]["securitySchemes"]
    assert schemes == {
        "HTTPBearer": {"type": "http", "scheme": "bearer"},
        "APIKeyHeader": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    search = document["paths"]["/search"]["post"]
    assert search["security"] == [{"HTTPBearer": []}, {"APIKeyHeader": []}]
    assert {"401", "413", "422", "429", "503"} <= set(search["responses"])
    assert "security" not in document["paths"]["/health"]["get"]
    thumbnail = document["paths"]["/thumbnail/{id}"]["get"]["responses"]["200"]
    assert list(thumbnail["content"]) == ["image/jpeg"]
    form = document["paths"]["/search_image"]["post"]["requestBody"]["content"]
    assert list(form) == ["multipart/form-data"]


BAD = [
    ({"text": ""}, "text: it is empty"),
    ({"text": "a bird", "rerank": 0}, "rerank: input should be a valid boolean"),
    ({"text": " \n "}, "text: it is empty"),
    ({"text": "x" * 100_000}, "text: string should have at most 2000 characters"),
    ({"text": "a\x07bell"}, "text: it has control characters"),
    ({}, "nothing to search for: terms or text is needed"),
    ({"text": "a", "k": 0}, "k: input should be greater than or equal to 1"),
    ({"text": "a", "k": -1}, "k: input should be greater than or equal to 1"),
    ({"text": "a", "k": 10_000}, "k: input should be less than or equal to 1000"),
    ({"text": "a", "n_results": 0}, "n_results: input should be greater"),
    ({"text": "a", "colour": 1}, "colour: extra inputs are not permitted"),
    ({"text": "a", "min_score": 2}, "min_score: input should be less than or equal to 1"),
    (
        {"text": "a", "where": ["colour=red"]},
        "there is no attribute colour; choose from uri, caption",
    ),
    (
        {"text": "a", "where": {"colour": "red"}},
        "there is no attribute colour; choose from uri, caption",
    ),
    ({"text": "a", "where": {"$where": "1"}}, "there is no attribute $where; choose from uri"),
    ({"text": "a", "where": {"width": {"$gt": "x"}}}, "width > takes a value of type int"),
    ({"text": "a", "where": {"width": {"$in": []}}}, "width in takes a list of type int"),
    ({"text": "a", "where": {"width": {"$gt": 10**30}}}, "width > takes a value of type int"),
    (
        {"text": "a", "where": {"width": {"$contains": "a"}}},
        "width is of type int; its operators are = ($eq), != ($ne), > ($gt), >= ($gte), < ($lt)",
    ),
    ({"text": "a", "where": {"$or": [{"width": 1}]}}, "$or takes a list of at least 2 filters"),
    (
        {"text": "a", "where": ["x" * 20_000]},
        "where.0: string should have at most 12288 characters",
    ),
    ({"text": "a", "where": ["width>=wide"]}, "'wide' is not of type int"),
    ({"text": "a", "where": {"$or": [{"width": 1}] * 4_000}}, "at most 256 comparisons and 1,0"),
    ({"text": "a", "where": {"width": {"$in": [*range(30_000)]}}}, "comparisons and 1,000 values"),
    ({"terms": [{}]}, "exactly one of text, image, id and vector is needed"),
    ({"terms": [{"text": "a", "id": "b"}]}, "exactly one of text, image, id and vector is needed"),
    ({"terms": [{"text": "a"}] * 17}, "terms: list should have at most 16 items"),
    ({"terms": [{"text": "a"}, {"text": "a", "weight": -1}]}, "cancel each other out"),
    ({"terms": [{"image": "no base64!"}]}, "image is not base64"),
    ({"terms": [{"image": "aGVsbG8="}]}, "image cannot be used: not a supported image format"),
    ({"terms": [{"vector": [0.0] * 64}]}, "64 numbers that are not all zero are needed"),
    ({"terms": [{"text": "a", "model": "0"}]}, "model is that of a vector, and there is none"),
    ({"terms": [{"vector": [1.0]}]}, "64 numbers that are not all zero are needed, not 1"),
    ([], "should be a valid dictionary"),
    ("text", "should be a valid dictionary"),
]


@pytest.mark.parametrize(("body", "reason"), BAD, ids=[reason for _, reason in BAD])
def test_bad_queries(client: httpx.Client, body: Any, reason: str) -> None:
    answer = client.post("/search", json=body)
    assert answer.status_code == 422
    (key,) = answer.json()
    assert key == "error"
    assert reason in answer.json()["error"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b'{"text": "\\ud800"}', b'{"text": "a", "k": NaN}', b"[" * 30_000],
)
def test_bad_bodies(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/search", content=body, headers=JSON)
    assert answer.status_code in {400, 422}
    assert len(answer.json()["error"]) < 120


@pytest.mark.parametrize(
    "body", [gzip.compress(b'{"text": "a"}', mtime=0), '{"text": "ä"}'.encode("latin-1")]
)
def test_bodies_in_another_coding(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/search", content=body, headers=JSON)
    assert answer.json()["error"].startswith("the body is not JSON in UTF-8, uncompressed")


def test_a_body_that_begins_with_the_mark_of_utf_8(client: httpx.Client) -> None:
    body = b'{"text": "a bird", "k": 3, "k": 2}'
    for mark in (b"", codecs.BOM_UTF8):
        answer = client.post("/search", content=mark + body, headers=JSON)
        assert len(answer.json()) == 2


def test_wrong_content_types(client: httpx.Client) -> None:
    for path in ("/search", "/search_image", "/embed_image"):
        answer = client.post(path, content=b"x", headers={"content-type": "text/plain"})
        assert answer.status_code == 415
        assert answer.json()["error"].startswith("the content type is text/plain; send ")


@pytest.mark.parametrize("kind", ["item", "thumbnail"])
@pytest.mark.parametrize(
    ("id", "status"),
    [
        ("nothing", 404),
        ("..%2f..%2fetc%2fpasswd", 404),
        ("%2Fetc%2Fpasswd", 404),
        ("a%00b", 422),
        ("a%0Ab", 404),
        ("a%C2%85b", 422),
        ("a%E2%80%AFb", 404),  # spaces and joiners of real file names
        ("a%C2%A0b%E3%80%80c%E2%80%8Dd", 404),
        ("%ff%fe", 404),
        ("x" * 5000, 422),
    ],
)
def test_ids_are_not_paths(client: httpx.Client, kind: str, id: str, status: int) -> None:
    answer = client.get(f"/{kind}/{id}")
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    if status == 404 and id != "..%2f..%2fetc%2fpasswd":
        assert answer.json()["error"].startswith("there is no row '")


def test_the_page_may_do_nothing_else(client: httpx.Client) -> None:
    answer = client.get("/")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    for name in (path.name for path in PAGE.iterdir()):
        assert client.get(f"/page/{name}").status_code == 200
        assert "http:" not in client.get(f"/page/{name}").text.replace("http://www.w3.org", "")
    assert client.get("/page/..%2f..%2frouting.py").status_code == 404


def test_no_row_scores_above_the_minimum(client: httpx.Client) -> None:
    assert found(client, text="a bird", min_score=1.0, hide_duplicates=0.5, rerank=True) == []


def test_a_fault_behind_the_service_shows_no_folder(
    client: httpx.Client, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise CollectionError("data/index in /home/me does not answer")

    monkeypatch.setattr(searcher.collection, "query_many", away)
    answer = client.post("/search", json={"text": "a bird"})
    assert answer.status_code == 503
    assert answer.json() == {"error": "the index does not answer; see the service log"}
    assert not asyncio.run(searcher.ready())


def test_as_many_similar_rows_as_requested(
    client: httpx.Client, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    query_many = searcher.collection.query_many

    def counted(vectors: np.ndarray, k: int, *arguments: Any) -> Any:
        asked.append(k)
        return query_many(vectors, k, *arguments)

    monkeypatch.setattr(searcher.collection, "query_many", counted)
    rows = client.post("/similar", json={"id": ID, "k": schema.MAX_K}).json()
    assert (asked, len(rows)) == ([schema.MAX_K + 1], 363)


@pytest.mark.parametrize(
    "bad",
    [
        {"terms": [{"vector": [""] * 4_000}]},
        {"text": "a bird", "where": [1] * 30_000},
        {"text": "a bird", "where": ["n>0"] * 4_000},
    ],
)
def test_an_invalid_body_is_validated_once(client: httpx.Client, bad: object) -> None:
    started = time.monotonic()
    answer = client.post("/search", json=bad)
    assert answer.status_code == 422
    assert time.monotonic() - started < 1, "every mistake was noted"
