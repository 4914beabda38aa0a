"""Datasets of WebDataset tars, cut into whole tars or into ranges of a tar's records."""

from __future__ import annotations

import logging
from array import array
from bisect import bisect_left
from itertools import chain, islice
from typing import TYPE_CHECKING

from clipvec.data import files
from clipvec.data.attributes import check, make_record, parse_json, reject_format
from clipvec.data.decode import SUFFIXES, UNREADABLE
from clipvec.data.files import Source, dataset_errors
from clipvec.data.ranges import share, span
from clipvec.data.record import Record, Reject
from clipvec.data.tar_samples import CAPTIONS, Sample, compressed, has_member, walk
from clipvec.errors import ConfigError, DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clipvec.config import WebDatasetConfig
    from clipvec.data.record import Cursor
    from clipvec.data.tar_samples import Members

log = logging.getLogger(__name__)


class TarDataset:
    """Tars in the WebDataset layout.

    With at most as many shards as tars a shard is whole tars; with more, every tar is cut into
    several shards by the positions of its records. A sample is one item, and a member that
    repeats another's name is one more, a reject; so is the end of a tar that is cut off.
    """

    def __init__(self, config: WebDatasetConfig) -> None:
        self.attributes = check(config.attributes)
        self._config = config
        self._sources = files.expand(config.path)
        self.files = len(self._sources)
        self._offsets: dict[Source, array[int]] = {}
        if not any(map(has_member, self._sources)):
            raise DatasetError(
                f"dataset.path={config.path!r}: no record in {len(self._sources)} tar file(s), "
                f"the first is {self._sources[0].url}; give tars that have image members"
            )

    def identity(self) -> dict[str, str | int | None]:
        """Return the kind, the number of tars, and a digest of their names and sizes."""
        return files.identity(self._config.kind, self._sources)

    def num_items(self, shard: int, count: int) -> int | None:
        """Return the number of items, or None for whole tars that are not on this machine."""
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

        Whole tars before that of ``cursor`` stay closed; in the first that is opened, the items
        before are stepped over by their headers.

        Raises:
            ConfigError: more shards than tars, and the tars are streams that cannot be cut.
            DatasetError: a tar cannot be opened.
        """
        chosen, window = self._assign(shard, count)
        if window is not None:
            items = self._window(chosen[0], window[start:])
        else:
            urls = [source.url for source in chosen]
            if cursor is not None and cursor.file in urls:  # not where the tars were moved
                chosen, start = chosen[urls.index(cursor.file) :], cursor.items
            items = islice(chain.from_iterable(map(walk, chosen)), start, None)
        for item in items:
            yield item if isinstance(item, Reject) else self._record(item)

    def _assign(self, shard: int, count: int) -> tuple[Sequence[Source], range | None]:
        """Return the tars of a shard, and the positions in them where that is not everything."""
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
        if source not in self._offsets:
            with dataset_errors(source.url), files.open_file(source.path) as stream:
                if not files.can_seek(stream):
                    raise _uncuttable(count, tars, source)
        return [source], span(part, parts, self._count(source))

    def _count(self, source: Source) -> int:
        """Return the items of a tar, and keep where each of them begins: 8 bytes an item."""
        if source not in self._offsets:
            if not _walkable(source):
                log.warning(
                    "reading through %s to count its records, as each of its shards does; with "
                    "sharding.count at most the number of tars, %d, none has to",
                    *(source.url, self.files),
                )
            offsets, at = array("q"), 0
            for item in walk(source):
                at = item.offset if isinstance(item, Sample) else at  # a reject: with the last one
                offsets.append(at)
            self._offsets[source] = offsets
        return len(self._offsets[source])

    def _window(self, source: Source, positions: range) -> Iterator[Sample | Reject]:
        """Yield the items of a tar that was counted at these positions, going there directly."""
        if positions:
            offsets = self._offsets[source]
            first = bisect_left(offsets, offsets[positions.start])
            items = walk(source, offsets[first], done=len(set(offsets[:first])))
            yield from islice(items, positions.start - first, positions.stop - first)

    def _record(self, sample: Sample) -> Record | Reject:
        members = sample.members
        image = _image(members)
        if image is None:
            return _without_image(sample)
        dotted = image.removesuffix(image.rpartition(".")[2])  # "v1." of cat.v1.jpg
        beside = {name.removeprefix(dotted): read for name, read in members.items()}
        with dataset_errors(sample.uri):
            content = members[image]()
            words = next((beside[name]() for name in CAPTIONS if name in beside), None)
            notes = beside["json"]() if "json" in beside else b"{}"
        try:
            fields = parse_json(notes)
        except ValueError as error:
            return Reject(sample.id, sample.uri, f"its .json member is {error}", "InvalidJson")
        caption = fields.get(self._config.caption)
        if words is not None:
            caption = words.decode("utf-8", "replace")
        return make_record(sample.id, sample.uri, content, caption, fields, self.attributes)


def _image(members: Members) -> str | None:
    """Return the image among the suffixes of a sample.

    WebDataset takes for the suffix all after the first dot. Where no suffix is that of an image,
    the only one that ends so is it: cat.v1.jpg, 0001.image.jpg.
    """
    plain = [suffix for suffix in members if suffix in SUFFIXES]
    ends = [suffix for suffix in members if suffix.rpartition(".")[2] in SUFFIXES]
    return plain[0] if plain else ends[0] if len(ends) == 1 else None


def _without_image(sample: Sample) -> Reject:
    endings = {suffix.rpartition(".")[2] for suffix in sample.members}
    found = ", ".join(sample.members) or "none"
    if endings & SUFFIXES:
        reason = f"more than one image member, none of them by the key alone: {found}"
        return Reject(sample.id, sample.uri, reason, "NoImage")
    if foreign := sorted(endings & UNREADABLE):
        return reject_format(sample.id, sample.uri, foreign[0])
    return Reject(sample.id, sample.uri, f"no image member, only: {found}", "NoImage")


def _uncuttable(count: int, tars: int, source: Source) -> ConfigError:
    return ConfigError(
        f"sharding.count={count} is more than the {tars} tar file(s), and {source.url} is a stream "
        f"that cannot be cut (compressed, or a server without ranges); set sharding.count to at "
        f"most {tars}, or give uncompressed tars on a disk or an object store"
    )


def _walkable(source: Source) -> bool:
    fs, _ = files.filesystem(source.path)
    return files.is_local(fs) and not compressed(source)
