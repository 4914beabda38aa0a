"""Embed shards of a dataset into a store."""

from __future__ import annotations

import logging
import os
import shlex
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from clipvec import shards
from clipvec.config import to_dict
from clipvec.data import SyntheticDataset, open_dataset
from clipvec.embed import growth, tracking
from clipvec.embed.fingerprint import data_fields, fingerprint
from clipvec.embed.reuse import ReusedStore, check_taken_over, reused_url
from clipvec.embed.reused_shard import carry_blocked
from clipvec.embed.shard import Shard
from clipvec.embed.stop import Stop
from clipvec.embed.timings import Timings
from clipvec.embed.tracking import EmbedLogger
from clipvec.embed.vector_source import (
    EncodedVectors,
    SyntheticVectors,
    check_gpus,
    check_pair,
)
from clipvec.errors import DatasetError, Interrupted, TooManyRejects, signal_of, stopped
from clipvec.progress import Progress, counted
from clipvec.store import BLOCKED, KnownImages, Store, joining
from clipvec.tracking import SWEEP_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Collection

    from clipvec.config import EmbedConfig
    from clipvec.data import Dataset
    from clipvec.embed.vector_source import VectorSource
    from clipvec.embed.work import Work
    from clipvec.store import CommitMarker, LedgerRow

log = logging.getLogger(__name__)


@dataclass
class EmbedSummary:
    """The result of an embed run."""

    store: str
    """Path or URL."""
    timings: Timings = field(default_factory=Timings)
    reasons: Counter[str] = field(default_factory=Counter)
    """Images that this run could not embed, by the class of the error."""
    embedded: list[int] = field(default_factory=list)
    """Shards that this run committed."""
    reused: list[int] = field(default_factory=list)
    """Shards that were committed before."""
    known: int = 0
    """Images of ``timings`` whose vectors the store had, of files by other names or dates."""
    replaced: int = 0
    """Rows that are gone: of files that changed, were moved, or are no longer there."""
    lost: int = 0
    """Rows of the store that is reused which could not be taken over; they are rejects."""

    def __str__(self) -> str:
        """Return a one-line summary."""
        gone = f"; {counted(self.replaced, 'row')} replaced or gone" if self.replaced else ""
        if self.lost:
            what = "whose images are gone, changed or unreadable"
            gone += f"; {counted(self.lost, 'row')} not taken over, {what}"
        if not self.embedded and gone:
            return f"no new image{gone}; store: {self.store}"
        if not self.embedded:
            reused = counted(len(self.reused), "shard")
            return f"nothing to do: {reused} already committed in {self.store}"
        shares = ", ".join(f"{stage} {share:.0%}" for stage, share in self.timings.shares().items())
        reused = f", {len(self.reused)} committed before" if self.reused else ""
        known = f" ({self.known:,} of them embedded before)" if self.known else ""
        return (
            f"{counted(len(self.embedded), 'shard')}{reused}: "
            f"{counted(self.timings.images, 'image')}{known}, {self._rejected()}, "
            f"{self.timings.rate:,.1f} images/s; time: {shares}; "
            f"bottleneck: {self.timings.bottleneck}{gone}; store: {self.store}"
        )

    @property
    def rejects(self) -> int:
        """Images that this run could not embed."""
        return self.reasons.total()

    def _rejected(self) -> str:
        reasons = ", ".join(f"{count:,} {error}" for error, count in self.reasons.most_common())
        return counted(self.rejects, "reject") + (f" ({reasons})" if reasons else "")


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
    session = _Session(config)
    try:
        while session.embed_next():
            pass
    except KeyboardInterrupt as error:  # between shards, or before the first
        signum = signal_of(error)
        raise Interrupted(signum, f"{stopped(signum)} {session.kept()}") from error
    return session.summary


class _Session:
    """The work of one command, generation after generation."""

    def __init__(self, config: EmbedConfig) -> None:
        self._config = config
        self._wanted = shards.parse(config.shards, config.sharding.count)
        self.summary = EmbedSummary(config.store_url)
        self._has_store = False
        self._source: VectorSource[Any] | None = None
        # The jobs of a sweep do not decide what their shards are of.
        whole = len(self._wanted) == config.sharding.count
        self._look = whole and SWEEP_VARIABLE not in os.environ
        other = reused_url(config)
        self._reused = ReusedStore(config, other, whole=self._look) if other else None

    def kept(self) -> str:
        """Return what is kept of a command that stops where no shard is being embedded."""
        store = self.summary.store
        if not self._has_store:
            return f"before anything was written to {store}"
        return (
            f"between two shards; what is in {store} is kept, and the same command resumes from "
            "there"
        )

    def embed_next(self) -> bool:
        """Embed what is wanted of a generation, and return whether another may follow."""
        config, summary = self._config, self.summary
        store = self._find()
        planned = store is not None and bool(store.generations.newest().plan)
        begins = config.dataset.grows and not planned
        work = self._work(store)
        wanted = [work.generation.first + n for n in self._wanted if n < work.generation.count]
        committed = {} if store is None else _committed(store, wanted)
        todo = [shard for shard in wanted if shard not in committed]
        if todo:
            check_gpus(config)
        if store is not None and todo and config.model.precision != "auto":
            # before the model is loaded
            store.fingerprint.check_precision(config.model.precision, f"the store {store.url}")
        with suppress(DatasetError):  # specific to a shard, reported when its turn comes
            for shard in todo[:1]:  # refuse an impossible sharding before a store is created
                work.dataset.num_items(*work.cut(shard))
        created = store is None
        if store is None or ((todo or not _same_weights(store, config)) and self._source is None):
            args = config, work.dataset, summary.store, store, self._reused
            store, self._source = _load(*args)
            self._has_store = True
        if begins:
            self._begin(store, work)
            return True
        if created:  # beside shards that are there, if it was lost
            committed = _committed(store, wanted)
            todo = [shard for shard in todo if shard not in committed]
        summary.reused += [s for s in committed if s not in {*summary.embedded, *summary.reused}]
        if todo:
            assert self._source is not None
            self._embed(store, self._source, work, todo, committed.values())
        # Without growth nothing follows, and no job looks at the shards of all others.
        if not config.dataset.grows or work.missing(store, {*committed, *todo}):
            return False
        if not todo and len(self._wanted) < config.sharding.count:
            log.info("new files are looked for with shards=all, and at the start of a sweep")
        now = store.again()
        published = now.is_published(work.generation)
        if published and not todo:
            if work.generation.number:
                summary.reused = now.shards
            return False
        if not published:
            summary.replaced += work.publish(store, self._reused)
        return self._look and not work.new

    def _find(self) -> Store | None:
        """Return the store as it is now, once it is known to be what it says; None: there is none.

        Raises:
            StoreError: it is not, or cannot be read.
        """
        store = Store.find(self.summary.store)
        if store is None:
            return None
        if not self._has_store:
            store.check_fingerprint()
            self._has_store = True
        return joining.settled(store)

    def _begin(self, store: Store, work: Work) -> None:
        """Plan the first generation, see `growth.begin`."""
        if store.again().generations.newest().plan:
            return  # by another command, meanwhile
        if self._reused is not None:
            self._reused.plan_next(store, [])
        else:
            growth.begin(store, self._config, work.dataset, whole=self._look)  # type: ignore[arg-type]
            self._look = False

    def _work(self, store: Store | None) -> Work:
        """Return what is to be done next, once it is known to fit the store."""
        config, reused = self._config, self._reused
        if store is not None and reused is not None:
            reused.check_begun(store)
        if store is not None and config.dataset.grows:
            where = f"the store {store.url}"
            store.fingerprint.check_data(data_fields(config, None), where)
            if store.generations.newest().plan:
                return growth.next_work(store, config, look=self._look, reused=reused)
        if store is not None and reused is None:
            check_taken_over(store, store.generations.newest())
        if store is None or len(store.committed(self._wanted)) < len(self._wanted):
            check_gpus(config)  # before anything is downloaded
        if reused is not None and config.dataset.grows:
            return growth.planned_work(reused.store, config, reused.first)
        dataset = open_dataset(config.dataset)
        if reused is not None:
            reused.check_data(dataset)
        if store is not None:
            where = f"the store {store.url}"
            store.fingerprint.check_data(data_fields(config, dataset), where)
        return growth.whole(config, dataset)

    def _embed(
        self,
        store: Store,
        source: VectorSource[Any],
        work: Work,
        todo: list[int],
        committed: Collection[CommitMarker],
    ) -> None:
        if self._reused is not None:
            self._reused.pair(store, store.planned())
            carry_blocked(Store.open(self._reused.store.url), store)
            store = store.again()
        spec = shards.format([*todo, *(marker.shard for marker in committed)])
        with tracking.start_run(self._config, store, spec, source.device) as run:
            before = sum(marker.rows + marker.rejects for marker in committed)
            feed = EmbedLogger(run, self._config.batch_size, before)
            known = KnownImages(store, work.replaced)
            try:
                _embed_all(
                    *(self._config, store, source, work, known, self._reused, todo),
                    *(self.summary, feed),
                )
            finally:
                feed.end(store, self._config)


def _committed(store: Store, wanted: list[int]) -> dict[int, CommitMarker]:
    """Return the markers of complete shards; the others are open again."""
    lacking: dict[int, str] = {}
    found = store.complete(wanted, lacking)
    for shard, what in lacking.items():
        log.warning("shard %d was committed, but %s: it is embedded again", shard, what)
        store.reopen(shard)
    return found


def _same_weights(store: Store, config: EmbedConfig) -> bool:
    """Return whether the model's configuration alone shows that it is the store's."""
    mine = to_dict(config.model)
    return all(store.model[key] == mine[key] for key in ("arch", "pretrained"))


def _load(
    config: EmbedConfig,
    dataset: Dataset | SyntheticDataset,
    url: str,
    known: Store | None,
    reused: ReusedStore | None,
) -> tuple[Store, VectorSource[Any]]:
    """Return the store, opened or created, and the source of its vectors."""
    source: VectorSource[Any]
    if isinstance(dataset, SyntheticDataset):
        source = SyntheticVectors(config, dataset)
    else:
        source = EncodedVectors(config, None if known is None else known.fingerprint)
    made, precision = source.fingerprint(), source.precision
    begun = fingerprint(config, dataset, made, precision)
    other = "" if reused is None else reused.store.digest
    store = Store.create(url, begun, to_dict(config.model), other)
    if reused is not None:
        reused.check_begun(store)  # another command may have created it meanwhile
    where = f"the store {store.url}"
    store.fingerprint.check_data(data_fields(config, dataset), where)
    store.fingerprint.check_precision(precision, where)
    store.fingerprint.model.check(
        made, where, f"model={config.model.name} ({config.model.pretrained})"
    )
    return store, source


def _embed_all(
    config: EmbedConfig,
    store: Store,
    source: VectorSource[Any],
    work: Work,
    known: KnownImages,
    reused: ReusedStore | None,
    todo: list[int],
    summary: EmbedSummary,
    feed: EmbedLogger,
) -> None:
    """Embed ``todo``; a shard that fails because of its data does not stop the others."""
    failures: dict[int, TooManyRejects | DatasetError] = {}
    rejected: list[LedgerRow] = []
    with Progress() as progress, Stop() as stop:
        overall = progress.task("shards", len(todo), "shards") if len(todo) > 1 else None
        for shard in todo:
            job = Shard(config, store, source, work, known, shard, stop, feed, reused)
            try:
                stop.at_part_end()  # the last one of the shard before
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
                rejected = rejected or job.rejected()
            summary.timings += job.timings
            summary.reasons.update(error for *_, error in job.rejected())
            summary.known += job.taken_over
            summary.lost += job.lost
            if overall is not None:
                overall.advance()
    if rejected:
        _, _, uri, reason, kind = min(rejected)
        uri = "an image" if kind == BLOCKED else uri
        log.warning(
            "%s; the first is %s: %s; clipvec rejects dataset.name=%s model.name=%s %s lists them",
            *(counted(summary.rejects, "reject"), uri, reason),
            *(config.dataset.name, config.model.name),
            shlex.quote(f"store.root={config.store.root}"),
        )
    if failures:
        first = next(iter(failures.values()))
        if len(todo) > 1:
            of_all = f"{len(failures)} of {counted(len(todo), 'shard')}"
            first.args = (f"{of_all} failed ({shards.format(failures)}): {first}",)
        raise first
