"""Embed shards of a dataset into a store."""

from __future__ import annotations

import logging
import math
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from clipvec import paths, shards
from clipvec.config import to_dict
from clipvec.data import SyntheticDataset, open_dataset
from clipvec.embed import tracking
from clipvec.embed.fingerprint import data_fields, fingerprint
from clipvec.embed.stop import Stop
from clipvec.embed.timings import Timings
from clipvec.embed.tracking import EmbedLogger
from clipvec.embed.vector_source import (
    EncodedVectors,
    SyntheticVectors,
    check_gpus,
    check_pair,
)
from clipvec.errors import DatasetError, Interrupted, TooManyRejects
from clipvec.progress import Progress, counted
from clipvec.store import Store

if TYPE_CHECKING:
    from clipvec.config import EmbedConfig
    from clipvec.data import Dataset
    from clipvec.embed.pipeline import Batch
    from clipvec.embed.vector_source import VectorSource
    from clipvec.progress import Task
    from clipvec.store import CommitMarker, ShardWriter

log = logging.getLogger(__name__)

_FEW = 100
"""Images of which a share may be rejected in a smaller shard: of 3, one is a third."""


@dataclass
class EmbedSummary:
    """The result of an embed run."""

    store: str
    """Path or URL."""
    timings: Timings = field(default_factory=Timings)
    rejects: int = 0
    """Images that this run could not embed."""
    embedded: list[int] = field(default_factory=list)
    """Shards that this run committed."""
    reused: list[int] = field(default_factory=list)
    """Shards that were committed before."""

    def __str__(self) -> str:
        """Return a one-line summary."""
        if not self.embedded:
            reused = counted(len(self.reused), "shard")
            return f"nothing to do: {reused} already committed in {self.store}"
        shares = ", ".join(f"{stage} {share:.0%}" for stage, share in self.timings.shares().items())
        reused = f", {len(self.reused)} committed before" if self.reused else ""
        return (
            f"{counted(len(self.embedded), 'shard')}{reused}: "
            f"{counted(self.timings.images, 'image')}, {counted(self.rejects, 'reject')}, "
            f"{self.timings.rate:,.1f} images/s; time: {shares}; "
            f"bottleneck: {self.timings.bottleneck}; store: {self.store}"
        )


def embed_shards(config: EmbedConfig) -> EmbedSummary:
    """Embed the shards that ``config`` selects and that are not committed yet.

    Raises:
        ConfigError: the configuration is invalid for this dataset.
        DatasetError: the dataset, or some shards of it, cannot be read.
        ModelError: the model cannot be loaded or run.
        GpuError: this job was given a GPU that torch cannot use, or several.
        StoreError: the store cannot be written, or belongs to another dataset or model.
        TooManyRejects: some shards had too many rejects; all others are committed.
        Interrupted: by Ctrl-C or SIGTERM; finished parts are kept.
    """
    check_pair(config)
    wanted = shards.parse(config.shards, config.sharding.count)
    url = paths.store_dir(config.store.root, config.dataset.name, config.model.name)
    store = Store.find(url)
    committed: dict[int, CommitMarker] = {} if store is None else store.committed(wanted)
    todo = [shard for shard in wanted if shard not in committed]
    if todo:
        check_gpus(config)  # before anything is downloaded
    dataset = open_dataset(config.dataset)
    if store is not None:
        where = f"the store {store.url}"
        store.fingerprint.check_data(data_fields(config, dataset), where)
        if todo and config.model.precision != "auto":  # before the model is loaded
            store.fingerprint.check_precision(config.model.precision, where)
    if store is not None and not todo and _same_weights(store, config):
        return EmbedSummary(url, reused=list(wanted))
    with suppress(DatasetError):  # specific to a shard, reported when its turn comes
        for shard in todo[:1]:  # refuse an impossible sharding before a store is created with it
            dataset.num_items(shard, config.sharding.count)
    store, source = _load(config, dataset, url, store)
    summary = EmbedSummary(url, reused=list(committed))
    with tracking.start_run(config, store, shards.format(wanted), source.device) as run:
        before = sum(marker.rows + marker.rejects for marker in committed.values())
        feed = EmbedLogger(run, config.batch_size, before)
        try:
            _embed_all(config, dataset, store, source, todo, summary, feed)
        finally:
            feed.end(store, config)
    return summary


def _same_weights(store: Store, config: EmbedConfig) -> bool:
    """Return whether the model's configuration alone shows that it is the store's."""
    mine = to_dict(config.model)
    return all(store.model[key] == mine[key] for key in ("arch", "pretrained"))


def _load(
    config: EmbedConfig, dataset: Dataset | SyntheticDataset, url: str, known: Store | None
) -> tuple[Store, VectorSource]:
    """Return the store, opened or created, and the source of its vectors."""
    source: VectorSource
    if isinstance(dataset, SyntheticDataset):
        source = SyntheticVectors(config, dataset)
    else:
        source = EncodedVectors(config, dataset, None if known is None else known.fingerprint)
    made, precision = source.fingerprint(), source.precision
    begun = fingerprint(config, dataset, made, precision)
    store = Store.create(url, begun, to_dict(config.model))
    where = f"the store {store.url}"
    store.fingerprint.check_data(data_fields(config, dataset), where)
    store.fingerprint.check_precision(precision, where)
    store.fingerprint.model.check(
        made, where, f"model={config.model.name} ({config.model.pretrained})"
    )
    return store, source


def _embed_all(
    config: EmbedConfig,
    dataset: Dataset | SyntheticDataset,
    store: Store,
    source: VectorSource,
    todo: list[int],
    summary: EmbedSummary,
    feed: EmbedLogger,
) -> None:
    """Embed ``todo``; a shard that fails because of its data does not stop the others."""
    failures: dict[int, TooManyRejects | DatasetError] = {}
    rejected: ShardWriter | None = None
    with Progress() as progress, Stop() as stop:
        overall = progress.task("shards", len(todo), "shards") if len(todo) > 1 else None
        for shard in todo:
            job = _Shard(config, dataset, store, source, shard, stop, feed)
            try:
                job.run(progress)
            except (TooManyRejects, DatasetError) as error:
                if len(todo) > 1:  # logged at once; a single shard's error becomes the command's
                    log.error("shard %d failed: %s", shard, error)
                failures[shard] = error
            except Interrupted as error:
                raise Interrupted(
                    error.signum,
                    f"{error}; {job.kept()}, {counted(len(summary.embedded), 'shard')} finished; "
                    "the same command resumes from there",
                ) from error
            else:
                summary.embedded.append(shard)
                rejected = rejected or (job.writer if job.writer.rejects else None)
            summary.timings += job.timings
            summary.rejects += job.writer.rejects
            if overall is not None:
                overall.advance()
    if rejected:
        uri, reason = rejected.first_reject()
        where = rejected.ledger if len(todo) == 1 else f"{rejected.ledger} and its like"
        rejects = counted(summary.rejects, "reject")
        log.warning("%s; the first is %s: %s; see %s", rejects, uri, reason, where)
    if failures:
        first = next(iter(failures.values()))
        if len(todo) > 1:
            of_all = f"{len(failures)} of {counted(len(todo), 'shard')}"
            first.args = (f"{of_all} failed ({shards.format(failures)}): {first}",)
        raise first


class _Shard:
    """The work on one shard."""

    def __init__(
        self,
        config: EmbedConfig,
        dataset: Dataset | SyntheticDataset,
        store: Store,
        source: VectorSource,
        shard: int,
        stop: Stop,
        feed: EmbedLogger,
    ) -> None:
        self._config = config
        self._dataset = dataset
        self._source = source
        self._shard = shard
        self._stop = stop
        self._feed = feed
        self.writer: ShardWriter = store.writer(shard)
        self.timings = Timings()
        self._pending: list[Batch] = []
        batches = -(-config.part_rows // config.batch_size)
        self._part_rows = batches * config.batch_size

    def kept(self) -> str:
        """Return what is saved of the shard, for a message."""
        parts, rows = counted(self.writer.parts, "part"), counted(self.writer.rows, "row")
        return f"{parts} ({rows}) of shard {self._shard} kept"

    def run(self, progress: Progress) -> None:
        """Embed the rest of the shard and commit it."""
        count, started = self._config.sharding.count, time.perf_counter()
        start = self.writer.position
        if start:
            log.info("resuming after %s", self.kept())
        label, size = f"shard {self._shard}", self._dataset.num_items(self._shard, count)
        task = progress.task(label, size, "images", start)
        batches = self._source.batches(self._shard, self.writer, self.timings)
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
        rejects, total = self.writer.rejects, self.writer.rows + self.writer.rejects
        limit, judged = self._config.max_reject_fraction, max(total, _FEW)
        none = self.writer.rows == 0 and total > 1 and limit < 1
        if none or rejects / judged > limit:
            self.writer.save_rejects()
            reasons = ", ".join(f"{n} {kind}" for kind, n in self.writer.reasons().items())
            uri, reason = self.writer.first_reject()
            many = "all of them" if none else f"more than max_reject_fraction={limit} of {judged:,}"
            enough = 1 if none else math.ceil(100 * rejects / judged) / 100
            raise TooManyRejects(
                f"{rejects:,} of {total:,} images of shard {self._shard} were rejected ({reasons}),"
                f" {many}; the first is {uri}: {reason}; all are in "
                f"{self.writer.ledger}; accept them with max_reject_fraction={enough}, or fix the "
                f"cause, remove {self.writer.folder} and run the same command again; good rows are "
                "kept"
            )
        hardware = self._source.device["hardware"]
        self.writer.commit({**self.timings.to_json(), "hardware": hardware})
