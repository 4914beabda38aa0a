"""Records in, encoded batches out: reading, decoding and encoding run concurrently.

    reader thread ──▶ decoding threads ──▶ collating thread ──▶ encoding thread ──▶ the caller

Each arrow is a bounded queue, so memory depends on the batch size and not on the shard. Order is
kept, and only images that can be embedded count towards a batch. Which rows share a batch therefore
depends only on the data, and interrupted and uninterrupted runs write the same bytes.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from clipvec.data import Cursor, Record, Reject, Undecodable, file_of
from clipvec.embed.prefetch import Prefetch
from clipvec.embed.timings import Timings
from clipvec.store import BLOCKED, BlockedImage, Row, id_digest, image_digest

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Iterator

    from clipvec.model import Encoder, ImageReader
    from clipvec.store import KnownImages

_Decoded: TypeAlias = "tuple[Row, np.ndarray | None] | Reject"
_NICE = 10
_DELETED = "it was deleted forever"
_INFINITE = "its vector is not finite; model.precision=fp32 may help"
_RAW_PER_THREAD = 4
"""Undecoded files in memory per decoding thread."""


@dataclass(frozen=True, slots=True)
class Reused:
    """An image whose row another store has, with its digest, but for the vector."""

    image: bytes
    row: Row


Item: TypeAlias = "Record | Reused | Reject"
"""What a shard has of the dataset."""


@dataclass
class Batch:
    """Images for one forward pass, and the rejects between them."""

    stop: int
    """Position in the shard after the batch's last image."""
    rows: list[Row] = field(default_factory=list)
    rejects: list[tuple[int, Reject]] = field(default_factory=list)
    """With their positions in the shard."""
    known: dict[int, np.ndarray] = field(default_factory=dict)
    """Vectors that need not be made, float32 [D], by the place of the row."""
    pixels: np.ndarray | None = None
    """Of the other rows, uint8 [N, H, W, 3]; None once encoded."""
    embeddings: np.ndarray | None = None
    """float32 [N, D], unit length."""
    cursor: Cursor | None = None
    """Position of ``stop`` in the dataset."""
    positions: list[int] = field(default_factory=list)
    """Of the rows, in the shard; synthetic rows have none."""

    def reject_infinite(self) -> None:
        """Reject rows whose vectors are not finite, as half precision sometimes produces."""
        if self.embeddings is None or np.isfinite(self.embeddings).all():
            return
        good = np.isfinite(self.embeddings).all(axis=1)
        for row, position, fine in zip(self.rows, self.positions, good, strict=True):
            if not fine:
                self.rejects.append((position, Reject(row.id, row.uri, _INFINITE, "NotFinite")))
        self.rows = [row for row, fine in zip(self.rows, good, strict=True) if fine]
        self.embeddings = self.embeddings[good]


class Pipeline:
    """The encoded batches of one shard, in order; `close` ends its threads.

    Args:
        items: the shard's items from position ``start`` on.
        start: position of the first item.
        cursor: the same position in the dataset.
        seen: ids already in the shard; further records with the same id are rejected.
        known: images whose vectors the store holds.
        blocked: digests of images, and of ids, that are not to be embedded.
        encoder: the encoder.
        batch_size: images per batch; only a shard's last one has fewer.
        reader: decodes the images, and is closed with the pipeline.
        decode_threads: number of decoding threads.
        timings: accumulates the encoder's time.
    """

    def __init__(
        self,
        items: Iterable[Item],
        *,
        start: int,
        cursor: Cursor | None,
        seen: set[str],
        known: KnownImages,
        blocked: Collection[str] = frozenset(),
        encoder: Encoder,
        batch_size: int,
        reader: ImageReader,
        decode_threads: int,
        timings: Timings,
    ) -> None:
        self._encoder = encoder
        self._batch_size = batch_size
        self._reader = reader
        self._timings = timings
        self._seen = seen
        self._known = known
        self._blocked = blocked
        self._raw = threading.Semaphore(_RAW_PER_THREAD * decode_threads)
        give_way = _give_way if encoder.device == "cpu" else None
        self._pool = ThreadPoolExecutor(decode_threads, "decode", initializer=give_way)
        self._decode_wait = 0.0
        self._items = Prefetch(self._read(items), 2 * batch_size, "read")
        self._batches = Prefetch(self._collate(start, cursor), 2, "collate")
        self._encoded = Prefetch(self._encode(), 2, "encode")

    def __iter__(self) -> Iterator[Batch]:
        return self._encoded

    def close(self) -> None:
        """Stop all threads after their current item."""
        stages = (self._items, self._batches, self._encoded)
        for stage in stages:
            stage.stop()
        self._reader.close()
        for stage in stages:
            stage.join()
        self._pool.shutdown(cancel_futures=True)

    def _read(self, items: Iterable[Item]) -> Generator[Reject | Future[_Decoded], None, None]:
        for item in items:
            if isinstance(item, Reject):
                yield item
                continue
            self._timings.bytes_read += len(item.image)
            self._raw.acquire()
            future = self._pool.submit(self._decode, item)
            future.add_done_callback(lambda _: self._raw.release())
            yield future

    def _decode(self, item: Record | Reused) -> _Decoded:
        """Return a row and its pixels, None where its vector is known, or it is blocked."""
        row = item.row if isinstance(item, Reused) else _row(item)
        if row.digest in self._known or self._blocked_by(row):
            return row, None
        try:
            image = self._reader(item.image)
        except Undecodable as error:
            return Reject(row.id, row.uri, str(error), type(error).__name__)
        if isinstance(item, Reused):
            return row, image.pixels
        thumbnail = image.thumbnail or None
        shown = replace(row, width=image.width, height=image.height, thumbnail=thumbnail)
        return shown, image.pixels

    def _blocked_by(self, item: Row | Reject) -> str | None:
        """Return the digest by which an item is not to be embedded; None: it is."""
        if not self._blocked:
            return None
        image = item.digest.hex() if isinstance(item, Row) and item.digest is not None else ""
        return next((each for each in (image, id_digest(item.id)) if each in self._blocked), None)

    def _collate(self, start: int, cursor: Cursor | None) -> Generator[Batch, None, None]:
        batch = Batch(start, cursor=cursor)
        for position, item in enumerate(self._items, start):
            decoded = self._result(item) if isinstance(item, Future) else item
            found = decoded if isinstance(decoded, Reject) else decoded[0]
            cursor = _advance(cursor, found.uri)
            if (digest := self._blocked_by(found)) is not None:
                # only now, as the place in the dataset is needed: no file is to name the image
                source = found.source if isinstance(found, Row) else -1
                place = BlockedImage(source, digest)
                decoded = Reject(id_digest(found.id), place.uri, _DELETED, BLOCKED)
            if not isinstance(decoded, Reject) and decoded[0].id in self._seen:
                row = decoded[0]
                decoded = Reject(row.id, row.uri, f"the id {row.id!r} occurs twice", "DuplicateId")
            if isinstance(decoded, Reject):
                batch.rejects.append((position, decoded))
                continue
            row, pixels = decoded
            self._seen.add(row.id)
            if pixels is None:
                row, batch.known[len(batch.rows)] = self._known.take(row)
            else:
                if batch.pixels is None:
                    batch.pixels = np.empty((self._batch_size, *pixels.shape), np.uint8)
                batch.pixels[len(batch.rows) - len(batch.known)] = pixels
            batch.rows.append(row)
            batch.positions.append(position)
            batch.stop, batch.cursor = position + 1, cursor
            if len(batch.rows) == self._batch_size:
                yield batch
                batch = Batch(batch.stop, cursor=cursor)
        if batch.rows or batch.rejects:
            yield batch

    def _result(self, future: Future[_Decoded]) -> _Decoded:
        started = time.perf_counter()
        decoded = future.result()
        self._decode_wait += time.perf_counter() - started
        return decoded

    def _encode(self) -> Generator[Batch, None, None]:
        for batch in self._batches:
            started = time.perf_counter()
            if batch.rows:
                batch.embeddings = self._vectors(batch)
                batch.pixels = None
                batch.reject_infinite()
            self._timings.encode += time.perf_counter() - started
            yield batch

    def _vectors(self, batch: Batch) -> np.ndarray:
        """Return the vectors of a batch, float32 [N, D]."""
        if batch.pixels is not None and not batch.known:
            return self._encoder.encode_images(batch.pixels[: len(batch.rows)])
        vectors = np.empty((len(batch.rows), self._encoder.dim), np.float32)
        vectors[list(batch.known)] = list(batch.known.values())
        if batch.pixels is not None:
            rest = [at for at in range(len(batch.rows)) if at not in batch.known]
            vectors[rest] = self._encoder.encode_images(batch.pixels[: len(rest)])
        return vectors

    def waits(self) -> Timings:
        """Return the encoder's waiting times so far."""
        waited = self._batches.waited
        upstream = self._items.waited + self._decode_wait
        read_share = self._items.waited / upstream if upstream else 0.0
        return Timings(
            read=waited * read_share,
            decode=waited * (1 - read_share),
            write=self._encoded.blocked,
        )


def _row(record: Record) -> Row:
    """Return the row of a record, whose image was not decoded yet."""
    return Row(
        record.id,
        record.uri,
        record.caption,
        0,
        0,
        None,
        record.attributes,
        record.source,
        image_digest(record.image),
    )


def _advance(cursor: Cursor | None, uri: str) -> Cursor:
    """Return the position after the item at ``uri``."""
    file = file_of(uri)
    return Cursor(file, cursor.items + 1 if cursor and cursor.file == file else 1)


def _give_way() -> None:
    """Give this thread a lower priority than the encoder's, on Linux, which has per-thread ones.

    The encoder's threads synchronise after each layer: when one of them loses its core to decoding,
    all of them wait. Decoding gets the time between batches and whatever the encoder leaves.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
