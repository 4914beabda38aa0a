from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from clipvec import config
from clipvec.config import QueryModelConfig, ServeConfig
from clipvec.errors import FingerprintError
from clipvec.service.schema import Options
from clipvec.service.searcher import Searcher


def test_many_queries_share_forward_passes(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    encode = searcher.encoder.encode_texts

    def counted(texts: Any) -> np.ndarray:
        sizes.append(len(texts))
        return encode(texts)

    monkeypatch.setattr(searcher.encoder, "encode_texts", counted)
    texts = [f"an image of {i} things" for i in range(40)]

    async def main() -> list[np.ndarray]:
        return await asyncio.gather(*map(searcher.text, texts))

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


def test_ready_only_while_the_encoder_is_correct(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asyncio.run(searcher.ready())
    image, text = searcher.encoder.golden()
    monkeypatch.setattr(searcher.encoder, "probe", lambda: (image, text[::-1]))
    assert not asyncio.run(searcher.ready())


def test_another_model_is_refused(served: ServeConfig) -> None:
    wrong = config.from_dict(
        {"name": "sample", "arch": "sample", "pretrained": "sample", "precision": "fp32"},
        QueryModelConfig,
    )
    with pytest.raises(FingerprintError, match=r"made with model arch local, model=sample .* has"):
        Searcher.open(replace(served, model=wrong))
