"""Image files in a folder and its subfolders, on a disk or behind a URL."""

from __future__ import annotations

import csv
import io
import os
from posixpath import basename, dirname, join, splitext
from typing import TYPE_CHECKING, NamedTuple

from clipvec.data import files
from clipvec.data.attributes import check, check_columns, make_record, parse_json, reject_format
from clipvec.data.decode import SUFFIXES, UNREADABLE
from clipvec.data.fetch import read_files
from clipvec.data.files import dataset_errors, first_line, to_utf8
from clipvec.data.ranges import span
from clipvec.data.record import Reject
from clipvec.errors import ConfigError, DatasetError
from clipvec.paths import package_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from clipvec.config import FolderConfig
    from clipvec.data.record import Cursor, Record

_BATCH = 16
"""Images asked for at once; a store far away answers them side by side."""
_FILE = "file"
_FOLDER = "folder"


class _Row(NamedTuple):
    file: str
    """Relative to the dataset's folder."""
    values: tuple[object, ...] = ()
    """Of the manifest's columns that are wanted."""


class FolderDataset:
    """Image files in order of their paths, or the rows of a manifest in the manifest's order.

    Without a manifest the caption is in ``<stem>.txt``, or in ``<stem>.json`` together with the
    attributes. The attribute ``folder`` is the image's subfolder, ``""`` at the top.
    """

    files = 1

    def __init__(self, config: FolderConfig) -> None:
        self.attributes = check(config.attributes)
        self._config = config
        self._columns = [config.caption, *(name for name in self.attributes if name != _FOLDER)]
        self._rows: Sequence[_Row] = ()
        self._notes: frozenset[str] = frozenset()
        setting = f"dataset.path={config.path!r}"
        with dataset_errors(setting, config.path):
            fs, folder = files.filesystem(package_file(config.path))
            self._root = files.full_path(fs, folder).rstrip("/")
            if config.manifest is None:
                self._rows, self._notes = _list_files(self._root)
            else:
                self._rows = self._read_manifest(config.manifest)
        if not self._rows:
            where = (
                f"dataset.manifest={config.manifest!r} has no row" if config.manifest else setting
            )
            raise DatasetError(
                f"{where}: no image in it; images end in {', '.join(sorted(SUFFIXES))}"
            )

    def identity(self) -> dict[str, str | int | None]:
        """Return the kind, the number of images, and a digest of their names and captions' names.

        Sizes are left out: to ask for them takes a minute for a million files.
        """
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
            DatasetError: the folder cannot be reached any more.
        """
        owned = span(shard, count, len(self._rows))[start:]
        for first in range(owned.start, owned.stop, _BATCH):
            batch = self._rows[first : min(first + _BATCH, owned.stop)]
            notes = {name for row in batch for name in self._notes_of(row)}
            images = {row.file for row in batch if row.file and not _foreign(row.file)}
            names = [*images, *notes]
            contents = read_files([join(self._root, name) for name in names])
            found = dict(zip(names, contents, strict=True))
            for number, row in enumerate(batch, first):
                yield self._record(number, row, found)

    def _record(
        self, number: int, row: _Row, found: Mapping[str, bytes | OSError]
    ) -> Record | Reject:
        if not row.file:
            place = f"{self._config.manifest}#{number}"
            return Reject(place, place, f"row {number} of the manifest names no file", "NoImage")
        id, uri = to_utf8(row.file), files.display_url(join(self._root, row.file))
        if _foreign(row.file):
            return reject_format(id, uri, _suffix(row.file))
        fields: dict[str, object] = dict(zip(self._columns, row.values, strict=False))
        words: bytes | OSError | None = None
        for name in self._notes_of(row):
            content = found[name]
            if name.endswith(".txt"):
                words = content
            elif isinstance(content, bytes):
                try:
                    fields.update(parse_json(content))
                except ValueError as error:
                    return Reject(id, uri, f"{basename(name)} is {error}", "InvalidJson")
        caption = fields.get(self._config.caption)
        if isinstance(words, bytes):
            caption = words.decode("utf-8", "replace")
        fields[_FOLDER] = to_utf8(dirname(row.file))
        return make_record(id, uri, found[row.file], caption, fields, self.attributes)

    def _notes_of(self, row: _Row) -> list[str]:
        """Return the files beside an image that describe it."""
        stem = splitext(row.file)[0]
        return [name for name in (f"{stem}.json", f"{stem}.txt") if name in self._notes]

    def _read_manifest(self, manifest: str) -> list[_Row]:
        suffix = _suffix(manifest)
        if suffix not in {"csv", "jsonl", "ndjson"}:
            raise ConfigError(f"dataset.manifest={manifest!r} is not a .csv or .jsonl file")
        with (
            dataset_errors(f"dataset.manifest={manifest!r}"),
            files.open_file(join(self._root, manifest)) as stream,
        ):
            lines = io.StringIO(stream.read().decode("utf-8-sig"), newline="")
        if suffix == "csv":
            return self._read_csv(manifest, lines)
        return [self._row(fields) for fields in _read_jsonl(manifest, lines)]

    def _read_csv(self, manifest: str, lines: io.StringIO) -> list[_Row]:
        try:
            table = csv.DictReader(lines, strict=True)
            columns = table.fieldnames or []
            if _FILE not in columns:
                raise ConfigError(
                    f"dataset.manifest={manifest!r} has no column {_FILE!r}; "
                    f"its columns are {', '.join(columns)}"
                )
            wanted = {f"attributes.{name}": name for name in self.attributes if name != _FOLDER}
            if self._config.caption != "caption":  # the default may be absent: no captions
                wanted["caption"] = self._config.caption
            check_columns(wanted, columns, manifest)
            return [self._row(fields) for fields in table]
        except csv.Error as error:
            raise DatasetError(f"{manifest} is not valid CSV: {first_line(error)}") from error

    def _row(self, fields: Mapping[str, object]) -> _Row:
        file = fields.get(_FILE)
        values = tuple(fields.get(column) for column in self._columns)
        return _Row(file if isinstance(file, str) else "", values)


def _read_jsonl(manifest: str, lines: io.StringIO) -> Iterator[Mapping[str, object]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield parse_json(line.encode())
            except ValueError as error:
                raise DatasetError(f"{manifest}, line {number}: {error}") from error


def _list_files(root: str) -> tuple[Sequence[_Row], frozenset[str]]:
    """Return the images below ``root``, and the .txt and .json files that lie beside them.

    One in a format that is not read counts where it has no copy in another beside it, as the raw
    files of many cameras have.
    """
    names = sorted(_find(root))
    read = {splitext(name)[0] for name in names if _suffix(name) in SUFFIXES}
    images = [
        name
        for name in names
        if _suffix(name) in SUFFIXES or (_foreign(name) and splitext(name)[0] not in read)
    ]
    stems = {splitext(name)[0] for name in images}
    notes = (name for name in names if name.endswith((".txt", ".json")))
    return [_Row(name) for name in images], frozenset(n for n in notes if splitext(n)[0] in stems)


def _find(root: str) -> Iterator[str]:
    """Yield the files below ``root``, relative to it; what begins with a dot is skipped."""
    fs, folder = files.filesystem(root)
    if not fs.isdir(folder):
        raise DatasetError(f"dataset.path={root!r} is not a folder; give the images' folder")
    if not files.is_local(fs):
        for path in fs.find(folder):
            name = path.removeprefix(folder).lstrip("/")
            if not any(part.startswith(".") for part in name.split("/")):
                yield name
        return
    for parent, folders, names in os.walk(folder):  # fsspec would ask for the size of every file
        folders[:] = (name for name in folders if not name.startswith("."))
        for name in names:
            if not name.startswith("."):
                yield join(parent, name).removeprefix(folder).lstrip("/")


def _foreign(name: str) -> bool:
    return _suffix(name) in UNREADABLE


def _suffix(name: str) -> str:
    return splitext(name)[1].lower().removeprefix(".")
