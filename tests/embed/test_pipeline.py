from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from clipvec import model
from clipvec.config import ModelConfig, WebDatasetConfig
from clipvec.data import Cursor, Record, Reject, open_dataset
from clipvec.embed.pipeline import Batch, Pipeline
from clipvec.embed.timings import Timings
from clipvec.model import Encoder, ImageReader
from tests.data.making import encode, write_tar


@pytest.fixture(scope="module")
def encoder(tiny_weights: Path) -> Encoder:
    return model.load_encoder(ModelConfig("tiny", "local", f"local-dir:{tiny_weights}"))


def pipeline(
    encoder: Encoder, items: Iterator[Record | Reject], start: int = 0, **options: object
) -> Pipeline:
    settings = {
        "cursor": None,
        "seen": set(),
        "known": frozenset(),
        "batch_size": 8,
        "decode_threads": 2,
        "timings": Timings(),
    }
    reader = ImageReader(encoder.preprocess, max_pixels=10**6, max_seconds=9, threads=2)
    settings["reader"] = reader
    return Pipeline(items, start=start, encoder=encoder, **(settings | options))  # type: ignore[arg-type]


def take(stages: Pipeline) -> list[Batch]:
    try:
        return list(stages)
    finally:
        stages.close()


def records(count: int, first: int = 0) -> Iterator[Record]:
    for i in range(first, count):
        yield Record(f"{i}", f"file#{i}", encode((i % 256, 40, 90), (40, 30)))


def test_batches_are_full_across_tars(encoder: Encoder, tmp_path: Path) -> None:
    for name, count in (("a", 5), ("b", 9), ("c", 7)):
        members = [(f"{i}.png", encode((i, 0, 0))) for i in range(count)]
        write_tar(tmp_path / f"{name}.tar", members)
    path = f"{tmp_path}/*.tar"
    dataset = open_dataset(WebDatasetConfig(kind="webdataset", name="x", path=path))
    batches = take(pipeline(encoder, dataset.records(0, 1)))
    assert [len(batch.rows) for batch in batches] == [8, 8, 5]
    assert [batch.stop for batch in batches] == [8, 16, 21]


def test_rejects_do_not_make_batches_smaller(encoder: Encoder) -> None:
    def items() -> Iterator[Record | Reject]:
        for record in records(20):
            if record.id in {"3", "17"}:
                yield Record(record.id, record.uri, b"text")
            elif record.id == "9":
                yield Reject("9", "file#9", "no image", "NoImage")
            else:
                yield record

    batches = take(pipeline(encoder, items()))
    assert [len(batch.rows) for batch in batches] == [8, 8, 1]
    assert [batch.stop for batch in batches] == [9, 19, 20]
    rejects = [(position, reject.error) for b in batches for position, reject in b.rejects]
    assert rejects == [(3, "NotAnImage"), (9, "NoImage"), (17, "NotAnImage")]


def test_resuming_makes_the_same_rows(encoder: Encoder) -> None:
    whole = take(pipeline(encoder, records(24)))
    rest = take(pipeline(encoder, records(24, first=8), start=8))
    for mine, theirs in zip(rest, whole[1:], strict=True):
        assert [row.id for row in mine.rows] == [row.id for row in theirs.rows]
        assert mine.stop == theirs.stop
        assert mine.embeddings is not None
        np.testing.assert_array_equal(mine.embeddings, theirs.embeddings)


def test_each_batch_knows_its_cursor(encoder: Encoder) -> None:
    def items() -> Iterator[Record | Reject]:
        for file, count in (("a.tar", 7), ("b.tar", 12)):
            for record in records(count):
                yield Record(f"{file}/{record.id}", f"{file}#{record.id}", record.image)
            yield Reject(file, file, "cut off", "TruncatedTar")

    batches = take(pipeline(encoder, items()))
    ends = [(batch.stop, batch.cursor) for batch in batches]
    assert ends == [
        (9, Cursor("b.tar", 1)),
        (17, Cursor("b.tar", 9)),
        (20, Cursor("b.tar", 12)),
    ]
    (rest,) = take(pipeline(encoder, islice(items(), 17, None), 17, cursor=Cursor("b.tar", 9)))
    assert (rest.stop, rest.cursor) == ends[-1]


def test_vectors_that_are_not_finite_are_rejected(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode_images = encoder.encode_images

    def overflowing(pixels: np.ndarray) -> np.ndarray:
        vectors = encode_images(pixels)
        vectors[1], vectors[3, 0] = np.nan, np.inf
        return vectors

    monkeypatch.setattr(encoder, "encode_images", overflowing)
    (batch,) = take(pipeline(encoder, records(6, first=1), start=1))
    assert [row.id for row in batch.rows] == ["1", "3", "5"]
    assert batch.embeddings is not None
    assert batch.embeddings.shape[0] == 3
    assert np.isfinite(batch.embeddings).all()
    assert [(position, reject.id, reject.error) for position, reject in batch.rejects] == [
        (2, "2", "NotFinite"),
        (4, "4", "NotFinite"),
    ]


def test_a_duplicate_id_within_the_shard_is_rejected(encoder: Encoder) -> None:
    (batch,) = take(pipeline(encoder, records(4), seen={"2"}))
    assert [row.id for row in batch.rows] == ["0", "1", "3"]
    assert batch.rejects[0][1].reason == "the id '2' occurs twice"


def test_only_rejects(encoder: Encoder) -> None:
    (batch,) = take(pipeline(encoder, iter([Reject("1", "u", "why", "NoImage")])))
    assert batch.rows == []
    assert batch.embeddings is None
    assert len(batch.rejects) == 1


def test_no_more_is_read_than_is_needed(encoder: Encoder) -> None:
    read = 0

    def endless() -> Iterator[Record]:
        nonlocal read
        for record in records(100_000):
            read += 1
            yield record

    stages = pipeline(encoder, endless())
    for _ in range(3):
        next(iter(stages))
    stages.close()
    in_flight = 3 * 8 + 2 * 8 + 2 * 8 + 2 * 2 * 8 + 2 * 4  # taken, stages, raw files
    assert read <= in_flight + 8
    assert not [t for t in threading.enumerate() if t.name in {"read", "collate", "encode"}]


def test_a_failing_source(encoder: Encoder) -> None:
    def broken() -> Iterator[Record]:
        yield from records(9)
        raise OSError("the disk is gone")

    stages = pipeline(encoder, broken())
    assert len(next(iter(stages)).rows) == 8
    with pytest.raises(OSError, match="the disk is gone"):
        list(stages)
    stages.close()
