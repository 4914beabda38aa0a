"""What an embedding job logs: curves, a sample of its images, the store."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from clipvec import tracking
from clipvec.config import to_dict
from clipvec.embed.timings import Timings
from clipvec.tracking import ImageCell, RunSpec, Table, artifacts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clipvec.config import EmbedConfig
    from clipvec.embed.pipeline import Batch
    from clipvec.store import Row, Store
    from clipvec.tracking import Run

SAMPLES = 24
"""Maximum number of images logged per job."""


@dataclass
class Progressed:
    """Progress of a job across its shards."""

    images: int = 0
    """Images embedded or rejected, by this process or an earlier one."""
    batches: int = 0
    rejects: dict[str, int] = field(default_factory=dict)
    """Rejects by error class, of this process."""


class EmbedLogger:
    """Feeds the run of a job, at almost no cost between two points."""

    def __init__(self, run: Run, batch_size: int, before: int = 0) -> None:
        """Start at ``before`` images, those of earlier processes."""
        self.run = run
        self._batch_size = batch_size
        self._done = Progressed(before)
        self._rows = 0
        self._timings = Timings()
        self._began = time.monotonic()
        self._last = (time.monotonic(), before, _cpu_seconds())
        self._samples: list[Row] = []
        self._random = random.Random(0)

    def take(self, batch: Batch) -> None:
        """Count a batch, and keep some of its images."""
        if not self.run.tracked:
            return
        self._done.images += len(batch.rows) + len(batch.rejects)
        self._done.batches += bool(batch.rows)
        for _, reject in batch.rejects:
            self._done.rejects[reject.error] = self._done.rejects.get(reject.error, 0) + 1
        for row in batch.rows:
            self._rows += 1
            if row.thumbnail is None:
                continue
            if len(self._samples) < SAMPLES:
                self._samples.append(row)
            elif (place := self._random.randrange(self._rows)) < SAMPLES:
                self._samples[place] = row  # reservoir sampling: every row is equally likely

    def skip(self, images: int) -> None:
        """Count images of a shard that an earlier process embedded or rejected."""
        self._done.images += images

    def end_shard(self, timings: Timings) -> None:
        """Add the timings of a finished shard."""
        self._timings += timings
        if self.run.should_log():
            self.point(Timings())

    def point(self, timings: Timings) -> None:
        """Add a point to the curves; ``timings`` are those of the current shard so far."""
        timings = self._timings + timings
        then, images, cpu = self._last
        now = time.monotonic()
        done, seconds = self._done, max(now - then, 1e-9)
        self._last = (now, done.images, _cpu_seconds())
        values = {
            "images": done.images,
            "images_per_s": (done.images - images) / seconds,
            "rejects": sum(done.rejects.values()),
            "batch_fill": self._rows / max(done.batches * self._batch_size, 1),
            "bytes_read": timings.bytes_read,
            "cpu_cores": (self._last[2] - cpu) / seconds,
        }
        values |= {f"share/{stage}": share for stage, share in timings.shares().items()}
        values |= {f"rejects/{reason}": count for reason, count in done.rejects.items()}
        self.run.log(values, step=done.images)

    def end(self, store: Store, config: EmbedConfig) -> None:
        """Add the last point and the summary of the job."""
        if not self.run.tracked:
            return
        if self._done.images > self._last[1]:
            self.point(Timings())
        seconds = time.monotonic() - self._began
        if self._samples:
            self.run.log_table("sample_images", _table(self._samples))
        self.run.update_summary(
            {
                "images": self._done.images,
                "images_per_s": self._rows / seconds,
                "bottleneck": self._timings.bottleneck,
                "seconds": seconds,
            }
        )
        found = artifacts.store(store.url, config.collection, store.fingerprint.to_json())
        self.run.log_artifact(found)


def start_run(config: EmbedConfig, store: Store, shards: str, device: Mapping[str, str]) -> Run:
    """Return the run of a job that embeds ``shards`` into ``store``."""
    name = f"embed {config.collection} {shards}"
    fingerprint = store.fingerprint.to_json()
    del fingerprint["model"]["golden"]  # vectors, which are in the store's artifact
    about = {**to_dict(config), "device": dict(device), "fingerprint": fingerprint}
    job = RunSpec("embed", name, config.store.root, about, shards)
    return tracking.start_run(config.tracking, job)


def _table(rows: list[Row]) -> Table:
    cells = [
        [ImageCell(row.thumbnail, row.caption or ""), row.caption, row.id, row.uri]
        for row in rows
        if row.thumbnail is not None
    ]
    return Table(["image", "caption", "id", "uri"], cells)


def _cpu_seconds() -> float:
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)
