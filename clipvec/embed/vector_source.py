"""Where the vectors of a store come from: an image encoder, or a random distribution."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Protocol, TypeVar

from clipvec import machine, model
from clipvec.config import ModelConfig, SyntheticConfig, from_dict, to_dict
from clipvec.data import Cursor
from clipvec.embed.fingerprint import synthetic_fingerprint
from clipvec.embed.pipeline import Batch, Pipeline
from clipvec.embed.prefetch import Prefetch
from clipvec.embed.timings import Timings
from clipvec.errors import ConfigError, GpuError
from clipvec.model import fingerprint_of
from clipvec.store import Row

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from clipvec.config import EmbedConfig
    from clipvec.data import Dataset, SyntheticDataset
    from clipvec.embed.pipeline import Item
    from clipvec.embed.reused_shard import ReusedShard
    from clipvec.model import ImageReader
    from clipvec.store import Fingerprint, KnownImages, ModelFingerprint, ShardWriter

log = logging.getLogger(__name__)
_SYNTHETIC = "synthetic"
DatasetT_contra = TypeVar("DatasetT_contra", contravariant=True)


class Batches(Protocol):
    """The finished batches of one shard, in order."""

    def __iter__(self) -> Iterator[Batch]: ...

    def waits(self) -> Timings:
        """Return how long the source has waited so far, by stage."""
        ...

    def close(self) -> None:
        """Stop all threads after their current item."""
        ...


class VectorSource(Protocol[DatasetT_contra]):
    """Makes the vectors of a store."""

    @property
    def device(self) -> Mapping[str, str]:
        """The device, its precision, and the name of its hardware."""
        ...

    @property
    def precision(self) -> str:
        """The encoder's precision; empty where there is no encoder."""
        ...

    def fingerprint(self) -> ModelFingerprint:
        """Return the fingerprint of what makes the vectors."""
        ...

    def batches(
        self,
        dataset: DatasetT_contra,
        cut: tuple[int, int],
        writer: ShardWriter,
        known: KnownImages,
        timings: Timings,
        reused: ReusedShard | None,
    ) -> Batches:
        """Return the missing batches of a shard.

        Args:
            dataset: has it.
            cut: its number, of how many.
            writer: of the shard.
            known: images whose vectors the store has.
            timings: accumulates times.
            reused: the shard of another store whose rows it takes over; None: there is none.
        """
        ...


def check_pair(config: EmbedConfig) -> None:
    """Refuse synthetic vectors from a model, and images without one.

    Raises:
        ConfigError: with the options to give.
    """
    synthetic = isinstance(config.dataset, SyntheticConfig)
    if synthetic != (config.model.arch == _SYNTHETIC):
        raise ConfigError(
            f"dataset={config.dataset.name} with model={config.model.name}: synthetic vectors have "
            "no images and need no model, so dataset=synthetic and model=synthetic only go "
            "together; experiment=synthetic chooses both"
        )
    if synthetic and config.store.thumbnail:
        raise ConfigError(
            f"store.thumbnail={config.store.thumbnail}: dataset=synthetic has no images; "
            "use store.thumbnail=0, or experiment=synthetic"
        )


def check_gpus(config: EmbedConfig) -> None:
    """Refuse to run on the CPU, or on one of several GPUs, where GPUs were given and are paid for.

    One that was asked for and has no GPU support gets a warning.

    Raises:
        GpuError: with what would use them.
    """
    given, why = machine.given_gpus()
    if not given or config.model.device != "auto" or config.model.arch == _SYNTHETIC:
        return
    if config.model.on_cpu:
        log.warning(
            "%s: %s embeds on the CPU, and GPUs are idle; model.runtime=torch uses one, and jobs "
            "get machines without by cloud.resources.accelerators=null",
            *(why, config.model.on_cpu),
        )
        return
    if given > 1:
        raise GpuError(
            f"{why}: a process embeds on one GPU; -m launcher=workers starts one for each, as the "
            "jobs of launcher=sky do, and model.device=cuda uses the first"
        )
    if config.model.runtime == "torch":
        model.choose_device(config.model.device)


class EncodedVectors:
    """Vectors of images that a model encodes."""

    def __init__(self, config: EmbedConfig, made: Fingerprint | None) -> None:
        """Load the encoder.

        Args:
            config: of the command.
            made: fingerprint of the store to which the vectors are added; None: a new one.
        """
        self._config = config
        self._said_memory = False
        log.info("loading model %s (%s)", config.model.name, config.model.pretrained)
        settings = config.model
        if made is not None and made.precision and settings.precision == "auto":
            settings = from_dict({**to_dict(settings), "precision": made.precision}, ModelConfig)
        self._encoder = encoder = model.load_encoder(settings)
        log.info(
            "encoding on %s in %s, %d dimensions", encoder.device, encoder.precision, encoder.dim
        )
        self.precision = str(encoder.precision)
        name = str(encoder.device)
        hardware = machine.device_name(name)
        self.device = {"device": name, "precision": self.precision, "hardware": hardware}

    def fingerprint(self) -> ModelFingerprint:
        """Return the encoder's fingerprint."""
        return fingerprint_of(self._encoder)

    def batches(
        self,
        dataset: Dataset,
        cut: tuple[int, int],
        writer: ShardWriter,
        known: KnownImages,
        timings: Timings,
        reused: ReusedShard | None,
    ) -> Pipeline:
        """Return the encoded batches of a shard from the writer's position on."""
        config = self._config
        cursor = Cursor(*writer.cursor) if writer.cursor else None
        threads = config.decode_threads or os.cpu_count() or 1
        reader = model.ImageReader(
            self._encoder.preprocess,
            max_pixels=config.max_pixels,
            max_seconds=config.max_decode_seconds,
            threads=threads,
            thumbnail_side=config.store.thumbnail if reused is None else 0,
        )
        self._say_memory(reader)
        items: Iterable[Item]
        if reused is None:
            items = dataset.records(*cut, writer.position, cursor)
        else:
            items = reused.items(dataset, cut)
        return Pipeline(
            items,
            start=writer.position,
            cursor=cursor,
            seen=set(writer.ids()),
            known=known,
            blocked=known.blocked,
            encoder=self._encoder,
            batch_size=config.batch_size,
            reader=reader,
            decode_threads=threads,
            timings=timings,
        )

    def _say_memory(self, reader: ImageReader) -> None:
        free = machine.free_bytes()
        if reader.peak_bytes > free and not self._said_memory:
            self._said_memory = True
            log.warning(
                "decoding may take %.1f GB at worst, of %.1f GB that are free: max_pixels=%d and "
                "decode_threads bound it",
                *(reader.peak_bytes / 1e9, free / 1e9, self._config.max_pixels),
            )


class SyntheticVectors:
    """Random vectors of a known distribution."""

    def __init__(self, config: EmbedConfig, dataset: SyntheticDataset) -> None:
        self._config = config
        self._dataset = dataset
        self.device: Mapping[str, str] = {
            "device": "cpu",
            "precision": config.store.dtype,
            "hardware": machine.device_name("cpu"),
        }
        self.precision = ""

    def fingerprint(self) -> ModelFingerprint:
        """Return the distribution's fingerprint."""
        return synthetic_fingerprint(self._dataset)

    def batches(
        self,
        dataset: SyntheticDataset,
        cut: tuple[int, int],
        writer: ShardWriter,
        known: KnownImages,
        timings: Timings,
        reused: ReusedShard | None,
    ) -> SyntheticBatches:
        """Return the batches of a shard from the writer's position on."""
        config = self._config
        return SyntheticBatches(
            dataset,
            dataset.span(*cut),
            writer.position,
            config.batch_size,
            timings,
        )


class SyntheticBatches:
    """The synthetic batches of one shard, generated in a thread while others are written."""

    def __init__(
        self, dataset: SyntheticDataset, span: range, start: int, batch_size: int, timings: Timings
    ) -> None:
        self._dataset = dataset
        self._span = span
        self._batch_size = batch_size
        self._timings = timings
        self._batches = Prefetch(self._draw(start), 2, "draw")

    def __iter__(self) -> Iterator[Batch]:
        return self._batches

    def waits(self) -> Timings:
        """Return the time spent writing so far."""
        return Timings(write=self._batches.blocked)

    def close(self) -> None:
        """End the thread."""
        self._batches.stop()
        self._batches.join()

    def _draw(self, start: int) -> Generator[Batch, None, None]:
        for first in range(start, len(self._span), self._batch_size):
            started = time.perf_counter()
            rows = self._span[first : first + self._batch_size]
            vectors, buckets = self._dataset.read(rows)
            batch = Batch(first + len(rows))
            batch.embeddings = vectors
            batch.rows = [
                self._row(row, bucket) for row, bucket in zip(rows, buckets.tolist(), strict=True)
            ]
            self._timings.encode += time.perf_counter() - started
            yield batch

    def _row(self, number: int, bucket: int) -> Row:
        uri = f"synthetic://{self._dataset.config.seed}/{number}"
        return Row(f"{number:010d}", uri, None, 0, 0, None, {"bucket": bucket})
