"""Datasets of WebDataset tars, sharded by whole tars or by ranges of a tar's records."""

from __future__ import annotations

import logging
from array import array
from bisect import bisect_left
from itertools import islice
from typing import TYPE_CHECKING

from clipvec.data import files
from clipvec.data.attributes import check, make_record, parse_json, reject_raw
from clipvec.data.files import Source, dataset_errors
from clipvec.data.formats import PREFERRED, RARELY_READ, SUFFIXES, raw_by_name
from clipvec.data.listing import Listing, choose, of_files
from clipvec.data.passed_over import PassedOver
from clipvec.data.ranges import share, span
from clipvec.data.record import Record, Reject
from clipvec.data.regular import TooManyBytes
from clipvec.data.tar_samples import CAPTIONS, Sample, compressed, has_member, walk
from clipvec.data.text import UnknownEncoding, decode_text
from clipvec.errors import ConfigError, DatasetError, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from clipvec.config import WebDatasetConfig
    from clipvec.data.record import Cursor
    from clipvec.data.tar_samples import Members

log = logging.getLogger(__name__)


class TarDataset:
    """Tars in the WebDataset layout.

    With at most as many shards as tars, a shard is whole tars; with more, every tar is split into
    several shards by record number. A sample is one item. A member with a duplicate name is
    another item, a reject; so is the end of a truncated tar.
    """

    def __init__(self, config: WebDatasetConfig, listing: Listing | None = None) -> None:
        """Take the tars of a ``listing``, or all."""
        self.attributes = check(config.attributes)
        self._config = config
        found = files.expand(config.path)
        self._sources = found if listing is None else choose(found, listing)
        self._numbers = {source: number for number, source in enumerate(self._sources)}
        self.files = len(self._sources)
        self._offsets: dict[Source, array[int]] = {}
        self._said_apart = False
        if listing is None and not any(map(has_member, self._sources)):
            raise DatasetError(
                f"dataset.path={config.path!r}: no record in {len(self._sources)} tar file(s), "
                f"the first is {self._sources[0].url}; give tars that have image members"
            )

    def identity(self) -> dict[str, str | int | None]:
        """Return the kind, the number of tars, and a digest of their names and sizes."""
        return files.identity(self._config.kind, self._sources)

    def listing(self) -> Listing:
        """Return the tars."""
        return of_files(self._sources)

    def num_items(self, shard: int, count: int) -> int | None:
        """Return the number of items, or None for whole remote tars."""
        chosen, window = self._assign(shard, count)
        if window is not None:
            return len(window)
        if any(not _walkable(source) for source in chosen):
            return None
        return sum(self._count(source) for source in chosen)

    def records(
        self, shard: int, count: int, start: int = 0, cursor: Cursor | None = None
    ) -> Iterator[Record | Reject]:
        """Yield the items of a shard from ``start`` on.

        Tars before that of ``cursor`` are not opened; in the first one that is, earlier items
        are skipped by their headers.

        Raises:
            ConfigError: more shards than tars, and the tars are streams that cannot be split.
            DatasetError: a tar cannot be opened.
        """
        chosen, window = self._assign(shard, count)
        passed_over = PassedOver()
        items: Iterator[tuple[Source, Sample | Reject]]
        if window is not None:
            samples = self._window(chosen[0], window[start:], passed_over)
            items = ((chosen[0], sample) for sample in samples)
        else:
            urls = [source.url for source in chosen]
            if cursor is not None and cursor.file in urls:  # does not hold if the tars were moved
                chosen, start = chosen[urls.index(cursor.file) :], cursor.items
            items = islice(self._items(chosen, passed_over), start, None)
        yield from self._records(items, passed_over, f"shard {shard} of {self._config.name}")

    def has_whole_sources(self, shard: int, count: int) -> bool:
        """Return whether a shard is whole tars."""
        return self._assign(shard, count)[1] is None

    def records_of(self, sources: range) -> Iterator[Record | Reject]:
        """Yield all items of some tars; see `records`."""
        passed_over = PassedOver()
        items = self._items(self._sources[sources.start : sources.stop], passed_over)
        yield from self._records(items, passed_over, self._config.name)

    def _items(
        self, tars: Sequence[Source], passed_over: PassedOver
    ) -> Iterator[tuple[Source, Sample | Reject]]:
        return ((tar, item) for tar in tars for item in self._walk(tar, passed_over))

    def _records(
        self, items: Iterator[tuple[Source, Sample | Reject]], passed_over: PassedOver, where: str
    ) -> Iterator[Record | Reject]:
        try:
            for tar, item in items:
                if isinstance(item, Reject):
                    yield item
                else:
                    yield self._record(tar, item, passed_over)
        finally:
            passed_over.report(where)

    def _assign(self, shard: int, count: int) -> tuple[Sequence[Source], range | None]:
        """Return the tars of a shard, and the positions in them if not all records."""
        tars = len(self._sources)
        if count <= tars:
            owned = span(shard, count, tars)
            return self._sources[owned.start : owned.stop], None
        for source in self._sources:
            if compressed(source):
                raise _uncuttable(count, tars, source)
        number, part, parts = share(shard, count, tars)
        source = self._sources[number]
        if parts == 1:
            return [source], None
        if source not in self._offsets and not source.gone:
            with dataset_errors(source.url), files.open_file(source.path) as stream:
                if not files.can_seek(stream):
                    raise _uncuttable(count, tars, source)
        return [source], span(part, parts, self._count(source))

    def _count(self, source: Source) -> int:
        """Return the items of a tar, and keep the offset of each: 8 bytes per item."""
        if source not in self._offsets:
            if not _walkable(source):
                log.warning(
                    "reading all of %s to count its records, once per shard; avoid this with "
                    "sharding.count of at most the number of tars, %d",
                    *(source.url, self.files),
                )
            offsets, at = array("q"), 0
            for item in self._walk(source, PassedOver()):
                at = item.offset if isinstance(item, Sample) else at  # a reject keeps the last one
                offsets.append(at)
            self._offsets[source] = offsets
        return len(self._offsets[source])

    def _window(
        self, source: Source, positions: range, passed_over: PassedOver
    ) -> Iterator[Sample | Reject]:
        """Yield the items at these positions of a tar that was counted, seeking directly."""
        if positions:
            offsets = self._offsets[source]
            first = bisect_left(offsets, offsets[positions.start])
            items = self._walk(source, passed_over, offsets[first], len(set(offsets[:first])))
            yield from islice(items, positions.start - first, positions.stop - first)

    def _walk(
        self, source: Source, passed_over: PassedOver, at: int = 0, done: int = 0
    ) -> Iterator[Sample | Reject]:
        if source.gone:
            return iter(())
        return walk(source, passed_over, self._config.max_file_bytes, at, done)

    def _record(self, tar: Source, sample: Sample, passed_over: PassedOver) -> Record | Reject:
        members, id, uri = sample.members, sample.id, sample.uri
        image, others = choose_image(members)
        if image is None:
            if not others:
                self._say_apart(sample)
            return _without_image(sample, others)
        for other in others:
            passed_over.add("images of a key that has one already", f"{uri}.{other}")
        stem, _, suffix = image.rpartition(".")
        words, notes = _beside(members, stem, CAPTIONS), _beside(members, stem, ("json",))
        with dataset_errors(uri):
            try:
                content = members[image]()
                text = None if words is None else words()
                fields_text = b"{}" if notes is None else notes()
            except TooManyBytes as error:
                return make_record(id, uri, error, None, {}, self.attributes)
        try:
            fields = parse_json(fields_text)
        except ValueError as error:
            return Reject(id, uri, f"its .json member is {error}", "InvalidJson")
        try:
            caption = fields.get(self._config.caption)
            caption = caption if text is None else decode_text(text, self._config.encoding)
        except UnknownEncoding as error:
            return Reject(id, uri, f"its caption member is {error}", "UnknownEncoding")
        if raw_by_name(suffix, content):
            return reject_raw(id, uri, suffix)
        number = self._numbers[tar]
        return make_record(id, uri, content, caption, fields, self.attributes, number)

    def _say_apart(self, sample: Sample) -> None:
        if not self._said_apart:
            log.warning(
                "%s has no image member; where images and captions lie apart in a tar, put the "
                "members of a key together: tar --sort=name",
                printable(sample.uri),
            )
            self._said_apart = True


def choose_image(members: Members) -> tuple[str | None, list[str]]:
    """Return the image among the suffixes of a sample, and the other images.

    WebDataset's suffix is everything after the first dot. If no suffix is an image's, the only
    one that ends in one is used: cat.v1.jpg, 0001.image.jpg.
    """
    images = [name for name in members if name.rpartition(".")[2] in SUFFIXES | RARELY_READ]
    for suffixes in PREFERRED:
        ends = [name for name in images if name.rpartition(".")[2] in suffixes]
        plain = [name for name in ends if name in suffixes]
        if plain or len(ends) == 1:
            image = (plain or ends)[0]
            return image, [name for name in images if name != image]
        if ends:
            break
    return None, images


def _beside(members: Members, stem: str, suffixes: Sequence[str]) -> Callable[[], bytes] | None:
    """Return the member that goes with an image: 0001.x.txt of 0001.x.jpg, or 0001.txt.

    The only one is taken where the image too is not called by its key alone: 0001.words.txt.
    """
    for suffix in suffixes:
        for name in (f"{stem}.{suffix}".lstrip("."), suffix):
            if name in members:
                return members[name]
    ends = [name for name in members if stem and name.rpartition(".")[2] in suffixes]
    return members[ends[0]] if len(ends) == 1 else None


def _without_image(sample: Sample, images: Sequence[str]) -> Reject:
    found = ", ".join(sample.members) or "none"
    reason = (
        f"more than one image member, none named by the key alone: {found}"
        if images
        else f"no image member, only: {found}"
    )
    return Reject(sample.id, sample.uri, reason, "NoImage")


def _uncuttable(count: int, tars: int, source: Source) -> ConfigError:
    return ConfigError(
        f"sharding.count={count} is more than the {tars} tar file(s), and {source.url} is a stream "
        f"that cannot be split (compressed, or a server without ranges); set sharding.count to at "
        f"most {tars}, or give uncompressed tars on a disk or an object store"
    )


def _walkable(source: Source) -> bool:
    fs, _ = files.filesystem(source.path)
    return files.is_local(fs) and not compressed(source)
