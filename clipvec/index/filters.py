"""Metadata filters: what a person types, and what Chroma wants."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from clipvec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LISTS = ("$in", "$nin")
_BRANCHES = ("$and", "$or")
_LARGEST = 2**63
_DEEPEST = 8
MOST_COMPARISONS, MOST_VALUES = 256, 1000
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
        ConfigError: a filter is malformed, too large, or names an attribute that there is not.
    """
    checked = _Checked(attributes)
    clauses = [checked(_clause(text, checked.types)) for text in filters]
    if len(clauses) > 1:
        return {"$and": clauses}
    return clauses[0] if clauses else None


def check(where: Mapping[str, Any], attributes: Mapping[str, str]) -> dict[str, Any]:
    """Return a filter in Chroma's form, once it is known that Chroma can answer it.

    Raises:
        ConfigError: it is malformed, too large, or names an attribute that there is not.
    """
    return _Checked(attributes)(where)


class _Checked:
    """Checks filters that go to Chroma as one.

    Chroma makes an expression of SQL of each comparison, and a variable of each value: SQLite
    takes only so many of them, and a process dies of some thousand nested ones.
    """

    def __init__(self, attributes: Mapping[str, str]) -> None:
        self.types = {**BUILT_IN, **attributes}
        self._comparisons = self._values = 0

    def __call__(self, where: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
        if len(where) != 1 or depth > _DEEPEST:
            raise ConfigError(
                f"where {_short(where)}: a filter has one key, an attribute, $and or $or, and is "
                f"not deeper than {_DEEPEST}"
            )
        ((key, value),) = where.items()
        if key in _BRANCHES:
            if not (isinstance(value, list) and len(value) > 1 and all(map(_is_dict, value))):
                raise ConfigError(
                    f"where {_short(where)}: {key} takes a list of two filters or more"
                )
            return {key: [self(part, depth + 1) for part in value]}
        if key not in self.types:
            raise ConfigError(f"where: there is no {_cut(key)}; known are {', '.join(self.types)}")
        condition = value if _is_dict(value) else {"$eq": value}
        if len(condition) != 1:
            raise ConfigError(f"where {_short(where)}: one operator is needed")
        ((operator, operand),) = condition.items()
        self._count(operand)
        _check_operand(where, self.types[key], operator, operand)
        return {key: {operator: operand}}

    def _count(self, operand: object) -> None:
        self._comparisons += 1
        self._values += len(operand) if isinstance(operand, list) else 1
        if self._comparisons > MOST_COMPARISONS or self._values > MOST_VALUES:
            raise ConfigError(
                f"where: a filter has at most {MOST_COMPARISONS} comparisons and "
                f"{MOST_VALUES:,} values; make it smaller, or ask several times"
            )


def _check_operand(where: object, kind: str, operator: str, operand: object) -> None:
    ordered = kind in {"int", "float"}
    allowed = [*_OPERATORS.values(), *_LISTS] if ordered else ["$eq", "$ne", *_LISTS]
    if operator not in allowed:
        raise ConfigError(f"where {_short(where)}: allowed are {' '.join(allowed)}")
    operands = operand if operator in _LISTS else [operand]
    if not (isinstance(operands, list) and operands and all(_fits(x, kind) for x in operands)):
        listed = "a list of " if operator in _LISTS else ""
        raise ConfigError(f"where {_short(where)}: {operator} wants {listed}type {kind} here")


def _fits(value: object, kind: str) -> bool:
    if isinstance(value, bool) or kind == "bool":
        return isinstance(value, bool) and kind == "bool"
    if isinstance(value, int):
        return kind in {"int", "float"} and -_LARGEST <= value < _LARGEST
    if isinstance(value, float):
        return kind in {"int", "float"} and math.isfinite(value)
    return isinstance(value, str) and kind == "string"


def _is_dict(value: object) -> bool:
    return isinstance(value, dict)


def _short(value: object) -> str:
    return _cut(json.dumps(value))


def _cut(text: str) -> str:
    return text[:200]


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
