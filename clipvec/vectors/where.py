"""Metadata filters: what a person types, and what Chroma wants."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from clipvec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BUILT_IN = {"uri": "string", "caption": "string", "width": "int", "height": "int"}
_OPERATORS = {"=": "$eq", "!=": "$ne", ">": "$gt", ">=": "$gte", "<": "$lt", "<=": "$lte"}
_FORM = re.compile(r"\s*([A-Za-z][\w.-]*?)\s*(!=|>=|<=|=|>|<)\s*(.*?)\s*", re.DOTALL)
_BOOLS = {"true": True, "false": False}


def parse(filters: Sequence[str], attributes: Mapping[str, str]) -> dict[str, Any] | None:
    """Return ``filters``, all of which must hold, in Chroma's form; None: there are none.

    Args:
        filters: ``key=value`` with ``=  !=  >  >=  <  <=``, or a JSON object for Chroma.
        attributes: the collection's attributes and their types.

    Raises:
        ConfigError: a filter is malformed, or names an attribute that there is not.
    """
    types = {**BUILT_IN, **attributes}
    clauses = [_clause(text, types) for text in filters]
    if len(clauses) > 1:
        return {"$and": clauses}
    return clauses[0] if clauses else None


def _clause(text: str, types: Mapping[str, str]) -> dict[str, Any]:
    if text.lstrip().startswith("{"):
        try:
            return dict(json.loads(text))
        except ValueError as error:
            raise ConfigError(f"where {text!r} is not JSON: {error}") from error
    match = _FORM.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"where {text!r} is not a filter; write key=value with one of "
            f"{' '.join(_OPERATORS)}, or a JSON object as Chroma takes it"
        )
    key, operator, value = match.groups()
    if key not in types:
        raise ConfigError(f"where {text!r}: there is no {key}; known are {', '.join(types)}")
    kind = types[key]
    if kind in {"string", "bool"} and operator not in {"=", "!="}:
        raise ConfigError(f"where {text!r}: {key} is a {kind}, which can only be = or !=")
    return {key: {_OPERATORS[operator]: _value(value, kind, text)}}


def _value(value: str, kind: str, text: str) -> str | int | float | bool:
    try:
        if kind == "bool":
            return _BOOLS[value.lower()]
        types: dict[str, type[str | int | float]] = {"string": str, "int": int, "float": float}
        return types[kind](value)
    except (KeyError, ValueError) as error:
        allowed = "true or false" if kind == "bool" else f"of type {kind}"
        raise ConfigError(f"where {text!r}: {value!r} is not {allowed}") from error
