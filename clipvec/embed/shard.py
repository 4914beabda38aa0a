"""The work on one shard: batches of images become parts, and the parts a committed shard."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec.embed import growth
from clipvec.embed.timings import Timings
from clipvec.errors import TooManyRejects, printable
from clipvec.progress import counted
from clipvec.store import BLOCKED, NOT_FOUND, hide_blocked

if TYPE_CHECKING:
    from clipvec.config import EmbedConfig
    from clipvec.embed.pipeline import Batch
    from clipvec.embed.reuse import ReusedStore
    from clipvec.embed.stop import Stop
    from clipvec.embed.tracking import EmbedLogger
    from clipvec.embed.vector_source import VectorSource
    from clipvec.embed.work import Work
    from clipvec.progress import Progress, Task
    from clipvec.store import KnownImages, LedgerRow, ShardWriter, Store

log = logging.getLogger(__name__)

_FEW = 100
"""Images of which a share may be rejected in a smaller shard: of 3, one is a third."""


class Shard:
    """The work on one shard."""

    def __init__(
        self,
        config: EmbedConfig,
        store: Store,
        source: VectorSource[Any],
        work: Work,
        known: KnownImages,
        shard: int,
        stop: Stop,
        feed: EmbedLogger,
        reused: ReusedStore | None,
    ) -> None:
        self._config = config
        self._source = source
        self._work = work
        self._known = known
        self._shard = shard
        self._stop = stop
        self._feed = feed
        self._store = store
        self.writer: ShardWriter = store.writer(shard, reusing=reused is not None)
        self._reused = None if reused is None else reused.shard(store, work.generation, self.writer)
        self._resumed = self.writer.parts > 0
        self.timings = Timings()
        self.taken_over = 0
        """Images whose vectors the store had."""
        self.lost = 0
        """Rows of another store that could not be taken over."""
        self._cut = work.cut(shard)
        self._pending: list[Batch] = []
        batches = -(-config.part_rows // config.batch_size)
        self._part_rows = batches * config.batch_size

    def kept(self) -> str:
        """Return what is saved of the shard, for a message."""
        parts, rows = counted(self.writer.parts, "part"), counted(self.writer.rows, "row")
        return f"{parts} ({rows}) of shard {self._shard} kept"

    def run(self, progress: Progress) -> None:
        """Embed the rest of the shard and commit it."""
        started = time.perf_counter()
        start = self.writer.position
        if start:
            log.info("resuming after %s", self.kept())
        size = (
            self._work.dataset.num_items(*self._cut) if self._reused is None else self._reused.size
        )
        task = progress.task(f"shard {self._shard}", size, "images", start)
        batches = self._source.batches(
            self._work.dataset, self._cut, self.writer, self._known, self.timings, self._reused
        )
        try:
            self._feed.skip(start)
            for batch in batches:
                self._take(batch, task)
                if self._feed.run.should_log():
                    self._feed.point(self.timings + batches.waits())
        finally:
            batches.close()
            task.close()
        self._write_part()
        self.timings += batches.waits()
        self.timings.seconds = time.perf_counter() - started
        self._feed.end_shard(self.timings)
        self._commit()

    def _take(self, batch: Batch, task: Task) -> None:
        for position, reject in batch.rejects:
            self.writer.reject(position, reject.id, reject.uri, reject.reason, reject.error)
            log.debug("rejected %s: %s", reject.uri, reject.reason)
        self.timings.images += len(batch.rows)
        self.taken_over += len(batch.known)
        self._feed.take(batch)
        task.advance(len(batch.rows) + len(batch.rejects))
        if not batch.rows:
            return
        self._pending.append(batch)
        if sum(len(pending.rows) for pending in self._pending) >= self._part_rows:
            self._write_part()
            self._stop.at_part_end()

    def _write_part(self) -> None:
        if not self._pending:
            return
        rows = [row for batch in self._pending for row in batch.rows]
        embeddings = [b.embeddings for b in self._pending if b.embeddings is not None]
        last = self._pending[-1]
        self.writer.write_part(rows, np.concatenate(embeddings), last.stop, last.cursor)
        self._pending.clear()

    def _commit(self) -> None:
        rejected = [row for row in self.rejected() if row[-1] != BLOCKED]  # those are no fault
        if self._are_too_many(len(rejected)):
            rejected = self._without_gone(rejected)
        rejects = len(rejected)
        total = self.writer.rows + rejects
        limit, judged = self._config.max_reject_fraction, max(total, _FEW)
        if self._are_too_many(rejects):
            none = self.writer.rows == 0
            self.writer.save_rejects()
            kinds = Counter(error for *_, error in rejected).most_common()
            reasons = ", ".join(f"{count} {kind}" for kind, count in kinds)
            _, _, uri, reason, _ = min(rejected)
            many = "all of them" if none else f"more than max_reject_fraction={limit} of {judged:,}"
            enough = 1 if none else math.ceil(100 * rejects / judged) / 100
            raise TooManyRejects(
                f"{rejects:,} of {total:,} images of shard {self._shard} were rejected ({reasons}),"
                f" {many}; the first is {uri}: {reason}; all are in "
                f"{self.writer.ledger}; accept them with max_reject_fraction={enough}, or fix the "
                f"cause, remove {self.writer.folder} and run the same command again; good rows are "
                "kept"
            )
        if self._reused is not None:
            if not self.writer.parts:
                # a deletion names a part, of no rows if there are none
                none_left = np.empty((0, self._store.fingerprint.model.dim))
                self.writer.write_part([], none_left, self.writer.position)
            self._reused.settle(self._store)
            self.lost = rejects
        parts = self.writer.finished
        known = frozenset() if self._resumed else self._known.blocked
        seen = hide_blocked(self._store, parts, known)
        hardware = self._source.device["hardware"]
        embedded = self.timings.images - self.taken_over
        timings = {**self.timings.to_json(), "embedded": embedded, "hardware": hardware}
        self.writer.commit(timings)
        hide_blocked(self._store, parts, seen)  # who deletes looks at committed shards alone

    def _are_too_many(self, rejects: int) -> bool:
        total = self.writer.rows + rejects
        limit = self._config.max_reject_fraction
        # a few new files that are all broken hold up no others
        few = self._work.generation.number > 0 and total < _FEW
        none = self.writer.rows == 0 and total > 1 and limit < 1 and not few
        return none or rejects / max(total, _FEW) > limit

    def _without_gone(self, rejected: list[LedgerRow]) -> list[LedgerRow]:
        """Leave out what is no longer in the dataset: it was planned before, and is no fault."""
        missing = {id for _, id, *_, error in rejected if error == NOT_FOUND}
        if not (missing and self._work.generation.plan and self._reused is None):
            return rejected
        missing &= growth.gone_names(self._store, self._config, self._work.generation)
        if missing:
            log.warning(
                "%s (%d of the files of shard %d) is no longer in the dataset, and left out",
                *(printable(min(missing)), len(missing), self._shard),
            )
        return [row for row in rejected if row[1] not in missing]

    def rejected(self) -> list[LedgerRow]:
        """Return the rejects that this store decides."""
        return self.writer.rejected() if self._reused is None else self._reused.lost()
