"""The rows of a CSV or JSONL manifest, as spreadsheets, pandas and the hub write it."""

from __future__ import annotations

import csv
import io
import logging
from pathlib import Path
from posixpath import join, splitext
from typing import TYPE_CHECKING, NamedTuple

from clipvec.data import exif, files
from clipvec.data.attributes import check_columns, parse_json
from clipvec.data.files import dataset_errors, first_line
from clipvec.data.text import UnknownEncoding, decode_text
from clipvec.errors import ConfigError, DatasetError, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from clipvec.config import FolderConfig
    from clipvec.data.passed_over import PassedOver

log = logging.getLogger(__name__)
_FILE = ("file", "file_name")
"""Names of the column of image files; the second is that of Hugging Face's metadata.jsonl."""
_DELIMITERS = ",;\t|"
_CAPTION = "caption"
"""Default of dataset.caption: a manifest without that column has no captions."""


class Row(NamedTuple):
    """An image of a folder."""

    file: str
    """Relative to the dataset's folder."""
    values: tuple[object, ...] = ()
    """Of the manifest's columns that are wanted."""
    fault: str = ""
    """Why it cannot be used, for a reader."""
    number: int = 0
    """Of the row in a manifest, from 0; set where it has no other name."""


class Manifest:
    """The manifest of a folder; a file in more than one row counts once, by its first row."""

    def __init__(self, config: FolderConfig, name: str, root: str, columns: Sequence[str]) -> None:
        """Take the manifest.

        Args:
            config: of the dataset.
            name: the manifest's, relative to the folder.
            root: the folder.
            columns: the caption's and the attributes' columns.
        """
        self._config = config
        self._name = name
        self._root = root
        self._columns = columns
        fs, _ = files.filesystem(root)
        self._local = files.is_local(fs)

    def rows(self, passed_over: PassedOver) -> list[Row]:
        """Return the rows.

        Raises:
            ConfigError: a column that is wanted is not there, or the encoding is not known.
            DatasetError: it cannot be read, or is not CSV or JSONL.
        """
        suffix = splitext(self._name)[1].lower()
        if suffix not in {".csv", ".tsv", ".jsonl", ".ndjson"}:
            raise ConfigError(f"dataset.manifest={self._name!r} is not a .csv or .jsonl file")
        with (
            dataset_errors(f"dataset.manifest={self._name!r}"),
            files.open_file(join(self._root, self._name)) as stream,
        ):
            content = stream.read()
        try:
            text = decode_text(content, self._config.encoding)
        except UnknownEncoding as error:
            raise ConfigError(f"dataset.manifest={self._name!r} is {error}") from error
        lines = io.StringIO(text, newline="")
        rows = self._csv(lines) if suffix in {".csv", ".tsv"} else self._jsonl(lines)
        kept = enumerate(_once(rows, passed_over))
        return [row if row.file else row._replace(number=number) for number, row in kept]

    def _csv(self, lines: io.StringIO) -> Iterator[Row]:
        csv.field_size_limit(2**31 - 1)  # of the process; what is read is in memory already
        delimiter = _delimiter(lines.readline())
        lines.seek(0)
        try:
            table = csv.reader(lines, strict=True, delimiter=delimiter, skipinitialspace=True)
            header = [name.strip() for name in next(table, [])]
            wanted = self._find(header)
            for number, cells in enumerate(filter(None, table), 1):
                if len(cells) > len(header):
                    fault = (
                        f"row {number} of {self._name} has {len(cells)} fields and its header "
                        f"{len(header)}; quote a value that holds {delimiter!r}"
                    )
                    yield Row("", (), fault)
                else:
                    yield self._row(dict(zip(header, cells, strict=False)), wanted)
        except csv.Error as error:
            raise DatasetError(f"{self._name} is not valid CSV: {first_line(error)}") from error

    def _find(self, header: Sequence[str]) -> dict[str, str]:
        """Return the column of each thing that is wanted; capitals are not told apart."""
        folded = {name.lower(): name for name in reversed(header)}
        wanted = {
            name: name if name in header else folded.get(name.lower(), name)
            for name in (*_FILE, *self._columns)
        }
        if not any(wanted[name] in header for name in _FILE):
            raise ConfigError(
                f"dataset.manifest={self._name!r} has no column {_FILE[0]!r}; "
                f"its columns are {', '.join(header)}"
            )
        caption, *attributes = self._columns
        settings = {
            f"attributes.{name}": wanted[name]
            for name in attributes
            if name not in exif.ATTRIBUTES  # which photos have of themselves
        }
        if caption != _CAPTION:
            settings["caption"] = wanted[caption]
        elif wanted[caption] not in header:
            self._say_no_caption(header)
        check_columns(settings, header, self._name)
        return wanted

    def _jsonl(self, lines: io.StringIO) -> Iterator[Row]:
        same = {name: name for name in (*_FILE, *self._columns)}
        seen: dict[str, None] = {}
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    fields = parse_json(line.encode())
                except ValueError as error:
                    raise DatasetError(f"{self._name}, line {number}: {error}") from error
                seen.update(dict.fromkeys(fields))
                yield self._row(fields, same)
        if seen and self._columns[0] not in seen:
            self._say_no_caption(list(seen))

    def _say_no_caption(self, columns: Sequence[str]) -> None:
        log.warning(
            "%s has no column dataset.caption=%s, so that its images have no captions; its columns "
            "are %s",
            *(self._name, self._columns[0], printable(", ".join(columns))),
        )

    def _row(self, fields: Mapping[str, object], wanted: Mapping[str, str]) -> Row:
        file = next((fields[wanted[name]] for name in _FILE if fields.get(wanted[name])), None)
        values = tuple(fields.get(wanted[column]) for column in self._columns)
        if isinstance(file, str) and "\0" in file:
            return Row("", (), f"the name {printable(file)!r} has a null byte")
        return Row(self._path(file) if isinstance(file, str) else "", values)

    def _path(self, file: str) -> str:
        r"""Return a file as this machine spells it: ``sub\a.jpg`` was written by Windows."""
        if "\\" in file and not (self._local and Path(self._root, file).exists()):
            file = file.replace("\\", "/")
        return file.removeprefix("./")


def _delimiter(header: str) -> str:
    """Return the character that separates the columns: the one after which ``file`` stands alone.

    A spreadsheet writes ``;`` where the decimal mark is a comma.
    """
    for delimiter in _DELIMITERS:
        names = {name.strip().strip('"').lower() for name in header.split(delimiter)}
        if names & set(_FILE):
            return delimiter
    return ","


def _once(rows: Iterator[Row], passed_over: PassedOver) -> Iterator[Row]:
    seen: set[str] = set()
    for row in rows:
        if row.file in seen:
            passed_over.add("rows of a file that an earlier row has", row.file)
        else:
            if row.file:
                seen.add(row.file)
            yield row
