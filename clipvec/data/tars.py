"""WebDataset tars: the members of one sample share a key and lie next to each other.

A tar that can be seeked is walked by its headers; the data of a member is read only when its
record is asked for. A compressed tar, or a server without ranges, is read as a stream.
"""

from __future__ import annotations

import logging
import lzma
import os
import re
import tarfile
import zlib
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from tarfile import EmptyHeaderError, EOFHeaderError  # type: ignore[attr-defined] # not in typeshed
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from clipvec.data import sources
from clipvec.data.attributes import check, make_record, parse_json
from clipvec.data.decode import SUFFIXES
from clipvec.data.ranges import share, span
from clipvec.data.record import Record, Reject
from clipvec.data.sources import Source, one_line, reading, text
from clipvec.errors import ConfigError, DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from typing_extensions import Self

    from clipvec.config import WebDatasetConfig
    from clipvec.data.record import Bookmark

    Members: TypeAlias = dict[str, Callable[[], bytes]]

log = logging.getLogger(__name__)
_CAPTIONS = ("txt", "caption")
_WANTED = SUFFIXES | {*_CAPTIONS, "json"}
_META = re.compile(r"__[^/]*__(/|$)")
"""WebDataset's own members, which are no samples."""
_COMPRESSED = re.compile(r"\.(tar\.(gz|bz2|xz)|tgz|tbz2?|txz)$")
_STEM = re.compile(r"\.(tar(\.(gz|bz2|xz))?|tgz|tbz2?|txz)$")
_BUFFER = 2**20
"""Bytes that a stream is read by."""
_DAMAGED = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError)


@dataclass(frozen=True, slots=True)
class _Sample:
    id: str
    uri: str
    members: Members
    """Each suffix, and what reads that member."""


class TarDataset:
    """Tars in the WebDataset layout.

    With at most as many shards as tars a shard is whole tars; with more, every tar is cut into
    several shards by the positions of its records. A sample is one item, and a member that
    repeats another's name is one more, a reject; so is the end of a tar that is cut off.
    """

    def __init__(self, config: WebDatasetConfig) -> None:
        self.attributes = check(config.attributes)
        self._config = config
        self._sources = sources.expand(config.path)
        self.files = len(self._sources)
        self._counts: dict[Source, int] = {}
        if not any(map(_has_member, self._sources)):
            raise DatasetError(
                f"dataset.path={config.path!r}: no record in {len(self._sources)} tar file(s), "
                f"the first is {self._sources[0].url}; give tars that have image members"
            )

    def identity(self) -> dict[str, str | int | None]:
        """Return the kind, the number of tars, and a digest of their names and sizes."""
        return sources.identity(self._config.kind, self._sources)

    def size(self, shard: int, count: int) -> int | None:
        """Return the number of items, or None for whole tars that are not on this machine."""
        chosen, window = self._assign(shard, count)
        if window is not None:
            return len(window)
        if any(not _walkable(source) for source in chosen):
            return None
        return sum(self._count(source) for source in chosen)

    def records(
        self, shard: int, count: int, start: int = 0, after: Bookmark | None = None
    ) -> Iterator[Record | Reject]:
        """Yield the items of a shard from ``start`` on.

        Whole tars before that of ``after`` stay closed; in the first that is opened, the items
        before are stepped over by their headers.

        Raises:
            ConfigError: more shards than tars, and the tars are streams that cannot be cut.
            DatasetError: a tar cannot be opened.
        """
        chosen, window = self._assign(shard, count)
        first, stop = (start, None) if window is None else (window.start + start, window.stop)
        if window is None and after is not None:
            urls = [source.url for source in chosen]
            if after.file in urls:  # it is not where the tars were moved: by the number, then
                chosen, first = chosen[urls.index(after.file) :], after.items
        items = chain.from_iterable(map(_items, chosen))
        for item in islice(items, first, stop):
            yield item if isinstance(item, Reject) else self._record(item)

    def _assign(self, shard: int, count: int) -> tuple[Sequence[Source], range | None]:
        """Return the tars of a shard, and the positions in them where that is not everything."""
        tars = len(self._sources)
        if count <= tars:
            owned = span(shard, count, tars)
            return self._sources[owned.start : owned.stop], None
        for source in self._sources:
            if _COMPRESSED.search(source.name):
                raise _uncuttable(count, tars, source)
        number, part, parts = share(shard, count, tars)
        source = self._sources[number]
        if parts == 1:
            return [source], None
        if source not in self._counts:
            with reading(source.url), sources.open_file(source.path) as stream:
                if not sources.can_seek(stream):
                    raise _uncuttable(count, tars, source)
        return [source], span(part, parts, self._count(source))

    def _count(self, source: Source) -> int:
        if source not in self._counts:
            if not _walkable(source):
                log.warning(
                    "reading through %s to count its records, as each of its shards does; with "
                    "sharding.count at most the number of tars, %d, none has to",
                    *(source.url, self.files),
                )
            self._counts[source] = sum(1 for _ in _items(source))
        return self._counts[source]

    def _record(self, sample: _Sample) -> Record | Reject:
        members = sample.members
        image = _image(members)
        if image is None:
            found = ", ".join(members) or "none"
            reason = f"no image member, or more than one, only: {found}"
            return Reject(sample.id, sample.uri, reason, "NoImage")
        dotted = image.removesuffix(image.rpartition(".")[2])  # "v1." of cat.v1.jpg
        beside = {name.removeprefix(dotted): read for name, read in members.items()}
        with reading(sample.uri):
            content = members[image]()
            words = next((beside[name]() for name in _CAPTIONS if name in beside), None)
            notes = beside["json"]() if "json" in beside else b"{}"
        try:
            fields = parse_json(notes)
        except ValueError as error:
            return Reject(sample.id, sample.uri, f"its .json member is {error}", "InvalidJson")
        caption = fields.get(self._config.json_caption)
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


def _uncuttable(count: int, tars: int, source: Source) -> ConfigError:
    return ConfigError(
        f"sharding.count={count} is more than the {tars} tar file(s), and {source.url} is a stream "
        f"that cannot be cut (compressed, or a server without ranges); set sharding.count to at "
        f"most {tars}, or give uncompressed tars on a disk or an object store"
    )


def _has_member(source: Source) -> bool:
    """Say whether a tar has anything to yield, be it a reject, from its first headers alone."""
    with reading(source.url), sources.open_file(source.path, ahead=False) as stream:
        try:
            tar = _open(stream, seekable=False)
            return any(header.isreg() for header in tar)
        except _DAMAGED:
            return True


def _walkable(source: Source) -> bool:
    fs, _ = sources.filesystem(source.path)
    return sources.is_local(fs) and not _COMPRESSED.search(source.name)


def _items(source: Source) -> Iterator[_Sample | Reject]:
    """Yield the samples of one tar, and a reject where it is damaged."""
    stem = _STEM.sub("", source.name)
    done = 0
    with reading(source.url), sources.open_file(source.path) as stream:
        seekable = not _COMPRESSED.search(source.name) and sources.can_seek(stream)
        try:
            tar = _open(stream, seekable)
        except _DAMAGED as error:
            reason = f"not a tar file, or compressed and not named .tar.gz: {one_line(error)}"
            yield Reject(stem, source.url, reason, "NotATar")
            return
        try:
            for item in _samples(tar, stem, source.url, seekable):
                done += isinstance(item, _Sample)
                yield item
        except _DAMAGED as error:
            reason = f"the tar is cut off or damaged after {done} records: {one_line(error)}"
            yield Reject(stem, source.url, reason, "TruncatedTar")


def _open(stream: IO[bytes], seekable: bool) -> Any:
    mode: Any = "r:" if seekable else "r|*"  # typeshed has an overload for each literal
    return tarfile.open(fileobj=stream, mode=mode, tarinfo=_Header, bufsize=_BUFFER)


class _Header(tarfile.TarInfo):
    """A tar header; only the end mark ends a tar, where tarfile takes damage for the end too."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tar)
        except EOFHeaderError:
            raise
        except tarfile.HeaderError as error:
            if tar.offset == 0 and isinstance(error, EmptyHeaderError):
                raise EOFHeaderError(str(error)) from error  # a file of zero bytes
            raise tarfile.ReadError(f"{error} at byte {tar.offset}") from error


def _samples(tar: Any, stem: str, url: str, seekable: bool) -> Iterator[_Sample | Reject]:
    """Group the members of a tar into samples; a member that repeats a name becomes a reject.

    A sample is complete once the header after it has been read, so that the last one before a
    damaged place is never yielded.
    """
    os.environ["WDS_SECURE"] = "1"  # webdataset then refuses to unpickle or to run commands
    from webdataset.tariterators import group_by_keys

    name = ""
    repeated: list[str] = []

    def members() -> Iterator[dict[str, object]]:
        nonlocal name
        while (header := tar.next()) is not None:
            tar.members = []  # tarfile would keep every header of the tar in memory
            name = header.name.removeprefix("./")
            if header.isreg() and not header.issparse() and not _META.match(name):
                read = partial(_read, tar, header)
                if not seekable and name.rpartition(".")[2].lower() in _WANTED:
                    read = partial(bytes, read())  # a stream passes only once
                yield {"fname": name, "data": read, "__url__": url}

    def repeat(_: Exception) -> bool:
        repeated.append(text(name))
        return True

    for group in group_by_keys(members(), handler=repeat):
        key = text(group["__key__"])
        suffixes = {name: read for name, read in group.items() if not name.startswith("__")}
        yield _Sample(f"{stem}/{key}", f"{url}#{key}", suffixes)
        for again in repeated:
            reason = f"the tar has more than one member {again}; the first was taken"
            yield Reject(f"{stem}/{again}", f"{url}#{again}", reason, "DuplicateMember")
        repeated.clear()


def _read(tar: tarfile.TarFile, header: tarfile.TarInfo) -> bytes:
    member = tar.extractfile(header)
    return b"" if member is None else member.read()
