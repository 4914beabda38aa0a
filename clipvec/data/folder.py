"""Image files in a folder and its subfolders, on a disk or behind a URL."""

from __future__ import annotations

import logging
from dataclasses import replace
from posixpath import basename, join, split, splitext
from typing import TYPE_CHECKING, Any

from clipvec.config import READERS
from clipvec.data import exif, files, folder_listing
from clipvec.data.attributes import check, make_record, parse_json, reject_raw
from clipvec.data.fetch import read_files
from clipvec.data.files import dataset_errors, to_utf8
from clipvec.data.formats import PREFERRED, SUFFIXES, endings_read, raw_by_name, suffix_of
from clipvec.data.listing import Listing
from clipvec.data.manifest import Manifest, Row
from clipvec.data.passed_over import PassedOver
from clipvec.data.ranges import span
from clipvec.data.record import Reject
from clipvec.data.text import UnknownEncoding, decode_text
from clipvec.data.walk import UNREADABLE, find
from clipvec.errors import DatasetError, printable
from clipvec.locations import package_file
from clipvec.progress import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from clipvec.config import FolderConfig
    from clipvec.data.record import Cursor, Record

log = logging.getLogger(__name__)
_BATCH = 16
"""Images requested at once; a remote store serves them concurrently."""
_OF_THE_NAME = ("folder", "file")
"""Attributes that the place of an image gives it."""


class FolderDataset:
    """Image files in order of their paths, or the rows of a manifest in the manifest's order.

    Without a manifest the caption is in ``<stem>.txt``, or in ``<stem>.json`` together with the
    attributes. The attribute ``folder`` is the image's subfolder, ``""`` at the top, and ``file``
    its name in there; `clipvec.data.exif.ATTRIBUTES` come from the image, where none is given.
    """

    files = 1

    def __init__(self, config: FolderConfig, listing: Listing | None = None) -> None:
        """Take the images of a ``listing``, or list all of them."""
        self.attributes = check(config.attributes)
        self._config = config
        given = [name for name in self.attributes if name not in _OF_THE_NAME]
        self._columns = [config.caption, *given]
        self._of_photos = not exif.ATTRIBUTES.keys().isdisjoint(given)
        # Where they are as in every folder, nobody asked for them: they reject no image.
        by_default = exif.ATTRIBUTES.items() <= self.attributes.items()
        self._optional = exif.ATTRIBUTES.keys() if by_default else ()
        self._found: dict[str, Mapping[str, Any] | None] = {}
        """What a listing tells of each file; empty where there was none."""
        self._complete = True
        self._setting = f"dataset.path={config.path!r}"
        with dataset_errors(self._setting, config.path):
            fs, folder = files.filesystem(package_file(config.path))
            self._local = files.is_local(fs)
            self._root = files.full_path(fs, folder).rstrip("/")
            self._rows, self._notes = (
                self._list() if listing is None else folder_listing.rows(listing, self._columns)
            )

    def _list(self) -> tuple[Sequence[Row], frozenset[str]]:
        """Return all images, and the texts beside them."""
        config, passed_over, notes = self._config, PassedOver(), frozenset[str]()
        if config.manifest is None:
            where = self._setting
            found = find(self._root, config.exclude, config.follow_links, passed_over)
            self._found = dict(found)
            rows, notes = _list_files(sorted(self._found), passed_over)
            if not rows:
                left = f"; passed over {passed_over}" if str(passed_over) else ""
                names = f"image files end in {endings_read()}"
                raise DatasetError(f"{where}: no images in it; {names}{left}")
        else:
            where = f"dataset.manifest={config.manifest!r}"
            rows = Manifest(config, config.manifest, self._root, self._columns).rows(passed_over)
            if not rows:
                raise DatasetError(f"{where} has no row; each names an image in the column file")
        passed_over.report(where)
        _tell_readers(where, rows)
        self._complete = UNREADABLE not in passed_over
        return rows, notes

    def listing(self) -> Listing:
        """Return the images, each with its size, its version, and the texts beside it."""
        with_notes = ((row, self._notes_of(row)) for row in self._rows)
        sources = folder_listing.sources(with_notes, self._columns, self._state)
        found = Listing.of(sources, place=files.display_url(self._root))
        return replace(found, complete=self._complete)

    def _state(self, name: str) -> tuple[int | None, str | None]:
        """Return the size and the version of a file, as far as they are known."""
        info = self._found.get(name)
        if info is not None:
            return info.get("size"), files.version(info)
        try:
            # a join takes longer than the call
            return folder_listing.on_disk(f"{self._root}/{name}") if self._local else (None, None)
        except OSError:
            self._complete = False
            return None, None

    def identity(self) -> dict[str, str | int | None]:
        """Return the kind, the number of images, and a digest of the names of all files."""
        lines = [*(f"{row.file}\t{row.values}" for row in self._rows), *sorted(self._notes)]
        return {
            "kind": self._config.kind,
            "sources": len(self._rows),
            "digest": files.digest(lines),
        }

    def num_items(self, shard: int, count: int) -> int:
        """Return the number of items."""
        return len(span(shard, count, len(self._rows)))

    def records(
        self, shard: int, count: int, start: int = 0, cursor: Cursor | None = None
    ) -> Iterator[Record | Reject]:
        """Yield the items of a shard from ``start`` on, going there directly.

        Raises:
            DatasetError: the folder can no longer be reached.
        """
        yield from self.records_of(span(shard, count, len(self._rows))[start:])

    def has_whole_sources(self, shard: int, count: int) -> bool:
        """Return whether a shard is whole sources: an image is one."""
        return True

    def records_of(self, sources: range) -> Iterator[Record | Reject]:
        """Yield the items of some images; see `records`."""
        for first in range(sources.start, sources.stop, _BATCH):
            batch = self._rows[first : min(first + _BATCH, sources.stop)]
            notes = {name for row in batch for name in self._notes_of(row)}
            images = {row.file for row in batch if row.file}
            names = [*images, *notes]
            paths = [join(self._root, name) for name in names]
            contents = read_files(paths, self._config.max_file_bytes)
            found = dict(zip(names, contents, strict=True))
            for number, row in enumerate(batch, first):
                yield self._record(number, row, found)

    def _record(
        self, number: int, row: Row, found: Mapping[str, bytes | OSError]
    ) -> Record | Reject:
        if not row.file:
            place = f"{self._config.manifest}#{row.number}"
            reason = row.fault or f"row {row.number} of the manifest names no file"
            return Reject(place, place, reason, "ManifestRow" if row.fault else "NoImage")
        id, uri = to_utf8(row.file), files.display_url(join(self._root, row.file))
        image = found[row.file]
        if raw_by_name(suffix_of(row.file), image):
            return reject_raw(id, uri, suffix_of(row.file))
        fields: dict[str, object] = {}
        if self._of_photos and isinstance(image, bytes):
            fields |= exif.photo_attributes(image)
        values = zip(self._columns, row.values, strict=False)
        fields |= {name: value for name, value in values if value is not None}
        words: bytes | None = None
        for name in self._notes_of(row):
            content = found[name]
            if isinstance(content, OSError):
                if isinstance(image, OSError):  # of which make_record tells
                    continue
                reason = f"{to_utf8(basename(name))} cannot be read: {content.strerror or content}"
                return Reject(id, uri, reason, type(content).__name__)
            if name.endswith(".txt"):
                words = content
                continue
            try:
                fields.update(parse_json(content))
            except ValueError as error:
                return Reject(id, uri, f"{basename(name)} is {error}", "InvalidJson")
        caption = fields.get(self._config.caption)
        if words is not None:
            try:
                caption = decode_text(words, self._config.encoding)
            except UnknownEncoding as error:
                return Reject(id, uri, f"its .txt file is {error}", "UnknownEncoding")
        fields["folder"], fields["file"] = map(to_utf8, split(row.file))
        return make_record(
            *(id, uri, image, caption, fields, self.attributes, number), optional=self._optional
        )

    def _notes_of(self, row: Row) -> list[str]:
        """Return the files next to an image that describe it."""
        if not self._notes:
            return []
        stem = splitext(row.file)[0]
        return [name for name in (f"{stem}.json", f"{stem}.txt") if name in self._notes]


def _list_files(names: Sequence[str], passed_over: PassedOver) -> tuple[list[Row], frozenset[str]]:
    """Return the images among files, and the .txt and .json files that lie beside them.

    One in a format that is rarely read counts where it has no copy beside it in one that is read
    rather, as the raw files of many cameras have.
    """
    parts = [splitext(name) for name in names]  # once for each: there may be millions
    suffixes = [ending.lower()[1:] for _, ending in parts]
    places = {ending: place for place, group in enumerate(PREFERRED) for ending in group}
    best: dict[str, int] = {}  # of the images of a stem, which are also those that texts belong to
    for (stem, _), suffix in zip(parts, suffixes, strict=True):
        if suffix in places:
            best[stem] = min(places[suffix], best.get(stem, len(places)))
    images, texts = [], []
    for name, (stem, ending), suffix in zip(names, parts, suffixes, strict=True):
        if suffix in SUFFIXES or (suffix in places and places[suffix] == best[stem]):
            images.append(name)
        elif suffix in places:
            passed_over.add("raw, HEIC or JPEG XL files beside a copy that is read", name)
        elif ending in {".txt", ".json"}:
            texts.append((name, stem))
        else:
            passed_over.add("files that are no images", name)
    for name, stem in texts:
        if stem not in best:
            passed_over.add("texts without an image of their name", name)
    return [Row(name) for name in images], frozenset(n for n, stem in texts if stem in best)


def _tell_readers(where: str, rows: Sequence[Row]) -> None:
    """Say what reads images that are there, where it is not installed."""
    for reader in READERS:
        if reader.installed:
            continue
        found = [row.file for row in rows if suffix_of(row.file) in reader.suffixes]
        if found:
            log.warning(
                "%s: %s, such as %s, cannot be read without %s",
                *(where, counted(len(found), f"{reader.kind} image")),
                *(printable(to_utf8(found[0])), reader.install_command),
            )
