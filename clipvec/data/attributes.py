"""Captions and attributes of an image, converted to the requested types."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from clipvec.data.files import first_line, to_utf8
from clipvec.data.record import Record, Reject, Value
from clipvec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from clipvec.config import Attributes, AttributeType

RESERVED = frozenset({"id", "uri", "caption", "width", "height", "embedding", "thumbnail"})
"""Columns that every store has; names with a leading underscore are reserved for future ones."""
_BOOLEANS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
_MISSING = frozenset({"", "nan", "na", "n/a", "<na>", "none", "null"})
"""Words that stand in a table for a number, or for true or false, that is not known."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
"""Python's own numbers may have underscores, and digits of every script."""


def check(attributes: Attributes) -> Attributes:
    """Return ``attributes`` as they are.

    Raises:
        ConfigError: a name is reserved.
    """
    for name in attributes:
        if name in RESERVED or name.startswith("_"):
            raise ConfigError(
                f"dataset.attributes.{name} is a reserved name (reserved: "
                f"{', '.join(sorted(RESERVED))}, and a leading '_'); take it out, "
                "or rename the field in the data"
            )
    return attributes


def check_columns(wanted: Mapping[str, str], present: Iterable[str], where: str) -> None:
    """Refuse a setting that names a column missing from ``where``.

    Raises:
        ConfigError: with the setting, its value, and the existing columns.
    """
    columns = list(present)
    for setting, column in wanted.items():
        if column not in columns:
            raise ConfigError(
                f"dataset.{setting}={column} is not a column of {where}; "
                f"its columns are {', '.join(columns)}"
            )


def make_record(
    id: str,
    uri: str,
    image: bytes | OSError | None,
    caption: object,
    fields: Mapping[str, object],
    attributes: Attributes,
    source: int = 0,
    optional: Collection[str] = (),
) -> Record | Reject:
    """Return a record with its caption and attributes converted, or a reject with the reason.

    Those of ``optional`` are None where they cannot be converted.
    """
    if isinstance(image, OSError):
        reason = image.strerror or first_line(image)
        return Reject(id, uri, f"the image file cannot be read: {reason}", type(image).__name__)
    if image is None:
        return Reject(id, uri, "there is no image", "NoImage")
    try:
        values = {
            name: _convert(name, fields.get(name), kind, optional=name in optional)
            for name, kind in attributes.items()
        }
        words = convert("caption", _first(caption), "string")
    except ValueError as error:
        return Reject(id, uri, str(error), "AttributeValue")
    text = None if words is None else str(words).strip() or None
    return Record(id, uri, image, text, values, source)


def reject_raw(id: str, uri: str, suffix: str) -> Reject:
    """Return the reject of a raw file, known by its name."""
    reason = f"raw (.{suffix}) by its name, and by its content nothing that is read"
    return Reject(id, uri, f"{reason}; convert it to JPEG, PNG or WebP", "UnsupportedFormat")


def _first(caption: object) -> object:
    """Return the first of several captions (COCO and Flickr30k have five per image)."""
    if isinstance(caption, list):
        return caption[0] if caption else None
    return caption


def parse_json(content: bytes) -> Mapping[str, object]:
    """Return the object in a JSON file.

    Raises:
        ValueError: it is not JSON, or not an object.
    """
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"not a JSON object but {type(value).__name__}")
    return value


def convert(name: str, value: object, kind: AttributeType) -> Value:
    """Return ``value`` as a ``kind``; missing values (None, NaN, an empty number) become None.

    A whole number may be written as pandas writes one beside gaps: ``2019.0``.

    Raises:
        ValueError: the value cannot be converted without loss.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    try:
        if kind != "string" and isinstance(value, str):
            word = value.strip()
            return None if word.lower() in _MISSING else _CONVERT[kind](word)
        return _CONVERT[kind](value)
    except (TypeError, ValueError, OverflowError) as error:
        given = to_utf8(repr(value))
        given = given if len(given) <= 80 else given[:77] + "..."
        raise ValueError(f"{name}={given} is not {_NOUN[kind]}") from error


def _convert(name: str, value: object, kind: AttributeType, *, optional: bool) -> Value:
    try:
        return convert(name, value, kind)
    except ValueError:
        if optional:
            return None
        raise


def _to_string(value: object) -> str:
    if isinstance(value, dict | list | tuple | bytes):
        raise TypeError
    return to_utf8(json.dumps(value) if isinstance(value, bool) else str(value))


def _to_int(value: Any) -> int:
    exact = _parse_number(value) if isinstance(value, str) else value
    if isinstance(value, bool) or not -(2**63) <= exact < 2**63 or int(exact) != exact:
        raise ValueError
    return int(exact)


def _to_float(value: Any) -> float:
    number = float(_parse_number(value) if isinstance(value, str) else value)
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError
    return number


def _parse_number(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise ValueError
    return Decimal(text)


def _to_bool(value: object) -> bool:
    word = str(value).lower()
    if word not in _BOOLEANS:
        raise ValueError
    return _BOOLEANS[word]


_CONVERT: Mapping[AttributeType, Callable[[object], Value]] = {
    "string": _to_string,
    "int": _to_int,
    "float": _to_float,
    "bool": _to_bool,
}
_NOUN: Mapping[AttributeType, str] = {
    "string": "text",
    "int": "a 64-bit integer",
    "float": "a finite number",
    "bool": "true or false",
}
