from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clipvec import config
from clipvec.config import ChromaConfig, QueryModelConfig, ServeConfig
from clipvec.errors import FingerprintError
from clipvec.index import build_index, open_index
from clipvec.service.schema import Options
from clipvec.service.searcher import Searcher, UnknownRow
from tests.index.conftest import build_config
from tests.service.conftest import answering
from tests.stores import delete, flip, make_store, row


def test_many_queries_share_forward_passes(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    encode = searcher.queries.encoder.encode_texts

    def counted(texts: Any) -> np.ndarray:
        sizes.append(len(texts))
        return encode(texts)

    monkeypatch.setattr(searcher.queries.encoder, "encode_texts", counted)
    texts = [f"an image of {i} things" for i in range(40)]

    async def main() -> list[np.ndarray]:
        return await asyncio.gather(*map(searcher.queries.text, texts))

    vectors = asyncio.run(main())
    np.testing.assert_allclose(vectors, encode(texts), atol=1e-5)
    assert sum(sizes) == 40
    assert len(sizes) <= 3  # max_batch_size is 32
    asyncio.run(main())
    assert sum(sizes) == 40  # they are known by now


def test_queries_of_one_kind_are_one_request(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    query_many = searcher.collection.query_many

    def counted(vectors: np.ndarray, *arguments: Any) -> Any:
        asked.append(len(vectors))
        return query_many(vectors, *arguments)

    monkeypatch.setattr(searcher.collection, "query_many", counted)
    vectors = searcher.collection.sample(20)[:20]
    options = [Options(k=3), Options(k=5)]

    async def main() -> list[Any]:
        both = [(v, options[i % 2]) for i, v in enumerate(vectors)]
        return await asyncio.gather(*(searcher.search(v, o) for v, o in both))

    found = asyncio.run(main())
    assert sorted(asked) == [10, 10]
    assert [len(rows) for rows in found] == [3, 5] * 10
    for vector, rows in zip(vectors, found, strict=True):
        alone = searcher.collection.query(vector, len(rows))
        assert [hit.id for hit, _ in rows] == [hit.id for hit in alone]


def test_what_takes_long_runs_off_the_event_loop(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []

    def noted(target: object, name: str) -> None:
        work = getattr(target, name)

        def run(*arguments: Any) -> Any:
            threads.append(f"{name} in {threading.current_thread().name[0]}")
            return work(*arguments)

        monkeypatch.setattr(target, name, run)

    noted(searcher.queries.encoder, "encode_texts")
    noted(searcher.collection, "query_many")
    noted(searcher._baseline, "spread")

    async def main() -> None:
        await searcher.search(await searcher.queries.text("a text of its own thread"), Options())
        assert await searcher.ready()

    asyncio.run(main())
    assert threads[:3] == ["encode_texts in e", "query_many in s", "spread in s"]


def test_thumbnails_that_lie_together_are_read_once(
    served: ServeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    searcher = Searcher.open(served)
    read: list[str] = []
    near = searcher.collection.thumbnails

    def noted(hits: Any, spare: int) -> Any:
        read.extend(hit.id for hit in hits)
        return near(hits, spare)

    monkeypatch.setattr(searcher.collection, "thumbnails", noted)
    hits = searcher.collection.query(searcher.collection.sample(1)[0], 364)
    inside = [hit.id for hit in hits if hit.row < 256]  # the first row group of the only part

    async def main() -> list[bytes]:
        first = await searcher.thumbnail(inside[0])
        return [first, *await asyncio.gather(*map(searcher.thumbnail, inside[1:]))]

    thumbnails = asyncio.run(main())
    assert read == inside[:1]
    found = near(first := [hit for hit in hits if hit.row < 256])
    assert thumbnails == [found[hit.key] for hit in first]
    with pytest.raises(UnknownRow, match="there is no row 'nobody'"):
        asyncio.run(searcher.thumbnail("nobody"))
    searcher.close()


def test_a_damaged_thumbnail_is_not_shown(
    searcher: Searcher, served: ServeConfig, tmp_path: Path
) -> None:
    """Nor is it kept; those of other parts are shown."""
    store = make_store(tmp_path, {0: [1], 1: [1]})
    index = ChromaConfig(f"{tmp_path}/index")
    build_index(build_config(tmp_path, index))
    part = Path(store.url, "shard-00000/part-00000.parquet")
    flip(part, part.read_bytes().index(b"JFIF"))
    toys = Searcher(open_index(index), searcher.queries.shared())
    with answering(served, toys) as client:
        for _ in range(2):
            damaged = client.get("/thumbnail/0/0")
            assert damaged.status_code == 404
            assert damaged.json() == {"error": "row '0/0' has no thumbnail"}
            assert client.get("/thumbnail/1/0").headers["content-type"] == "image/jpeg"
        assert client.get("/item/0/0").status_code == 200
    toys.close()


def test_a_thumbnail_is_not_that_of_a_deleted_row_of_its_id(
    searcher: Searcher, served: ServeConfig, tmp_path: Path
) -> None:
    store = make_store(tmp_path, {0: [3]}, count=2, thumbnail=b"deleted")
    delete(store, "0/1")
    writer = store.writer(1)
    writer.write_part([row(0, 1, b"alive")], np.eye(1, 16, dtype=np.float32), 1)
    writer.commit({})
    index = ChromaConfig(f"{tmp_path}/index")
    build_index(build_config(tmp_path, index, sharding={"count": 2}))
    toys = Searcher(open_index(index), searcher.queries.shared())

    async def main() -> list[bytes]:
        await toys.thumbnail("0/0")  # which lies beside the deleted row
        return [await toys.thumbnail("0/1"), await toys.thumbnail("0/2")]

    hits = toys.collection.get(["0/1", "0/0"])
    found = toys.collection.thumbnails([*hits.values()])
    assert [found[hits[id].key] for id in ("0/1", "0/0")] == [b"alive", b"deleted"]
    assert asyncio.run(main()) == [b"alive", b"deleted"]
    toys.close()


def test_ready_only_while_the_encoder_is_correct(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asyncio.run(searcher.ready())
    image, text = searcher.queries.encoder.golden()
    monkeypatch.setattr(searcher.queries.encoder, "probe", lambda: (image, text[::-1]))
    assert not asyncio.run(searcher.ready())


def test_another_model_is_refused(served: ServeConfig) -> None:
    wrong = config.from_dict(
        {"name": "local", "arch": "sample", "pretrained": "sample", "precision": "fp32"},
        QueryModelConfig,
    )
    with pytest.raises(FingerprintError, match=r"made with model arch local, model=local .* has"):
        Searcher.open(replace(served, model=wrong))
