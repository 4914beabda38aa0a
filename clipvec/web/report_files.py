"""Files of a report's folder, and the data of ``report.json``."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from clipvec import files, paths
from clipvec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

T = TypeVar("T")


@dataclass(frozen=True)
class ReportFormat(Generic[T]):
    """The ``report.json`` of a command, with its JSON schema beside it."""

    report_type: type[T]
    """What it holds: a dataclass of pydantic whose last field is ``schema_version``."""
    schema_number: int
    title: str
    """What it is called in messages: ``a recall report``."""
    command: str
    """What writes it."""

    @cached_property
    def _adapter(self) -> TypeAdapter[T]:
        return TypeAdapter(self.report_type)

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema, draft 2020-12."""
        return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | (
            self._adapter.json_schema()
        )

    def to_json(self, report: T) -> dict[str, Any]:
        """Return plain JSON values."""
        return dict(self._adapter.dump_python(report, mode="json"))

    def from_json(self, values: object, where: object) -> T:
        """Return the report that `to_json` wrote.

        Raises:
            ConfigError: ``where`` holds something else.
        """
        try:
            return self._adapter.validate_python(values)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise ConfigError(f"{where} is not {self.title}: {place}: {first['msg']}") from error

    def write(self, report: T, place: paths.ReportPaths) -> None:
        """Write the data of a report, and its schema."""
        _write_json(place.data, {"$schema": place.schema.name, **self.to_json(report)})
        _write_json(place.schema, self.schema)

    def read(self, place: Path) -> T:
        """Return the report of a ``report.json``, or of the folder that it is in.

        Raises:
            ConfigError: there is none, or it holds something else.
            SchemaError: another version of clipvec wrote it.
        """
        file = paths.ReportPaths(place).data if place.is_dir() else place
        try:
            with files.open_regular(file) as stream:
                mend = f"run {self.command} again"
                values = files.from_json(stream.read(), self.schema_number, file, mend)
        except OSError as error:
            raise ConfigError(
                f"no report at {place}: {error.strerror}; give a folder that {self.command} wrote"
            ) from error
        except ValueError as error:
            raise ConfigError(f"{file} is not {self.title}: {error}") from error
        return self.from_json(values, file)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Make a folder; what goes wrong with it is one line.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise ConfigError(
            f"the report cannot be written to {folder}: {error.strerror}; choose another folder"
        ) from error


def write_text(file: Path, text: str) -> None:
    """Write a text as UTF-8."""
    # A name from JSON may hold half a surrogate pair, which no file can.
    file.write_bytes(text.encode("utf-8", "replace"))


def _write_json(file: Path, values: Mapping[str, Any]) -> None:
    write_text(file, json.dumps(values, indent=1, allow_nan=False) + "\n")
