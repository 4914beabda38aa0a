"""Metadata filters: a small tree that every index backend translates into its own language.

Three forms lead to the same tree: what a person types (``stars>=2``), the JSON of an HTTP request
(``{"stars": {"$gte": 2}}``), and the dataclasses below. A parsed filter holds values of exactly
the type of their attribute: bounds between two values of that type are moved to the next one, so
that no backend has to compare an integer with a float.

A missing value satisfies ``!=`` and ``not in`` and nothing else. Texts are in the order of their
characters, which is that of time for dates as ISO 8601 has them; ``contains`` ignores case.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import numpy as np

from clipvec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

Value: TypeAlias = str | int | float | bool
Operator: TypeAlias = Literal["=", "!=", ">", ">=", "<", "<=", "in", "not in", "contains"]
MOST_COMPARISONS, MOST_VALUES = 256, 1000
"""Largest filter: SQLite, which some backends use, takes only so many expressions and variables."""
BUILT_IN = {"uri": "string", "caption": "string", "width": "int", "height": "int"}
"""Columns that every index has beside the dataset's attributes."""
_LARGEST = 2**63
_MAX_DEPTH = 8
_NAMES: dict[str, Operator] = {
    **{"$eq": "=", "$ne": "!=", "$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="},
    **{"$in": "in", "$nin": "not in", "$contains": "contains"},
}
"""Operators by their names in JSON."""
_JSON_NAMES = {operator: name for name, operator in _NAMES.items()}
_FORM = re.compile(r"\s*([A-Za-z][\w.-]*?)\s*(!=|>=|<=|=|>|<|~)(.*)", re.DOTALL)
_TYPED: dict[str, Operator] = {"~": "contains"}
"""Operators that are typed by another sign than their name."""
_TEXT_ALONE: frozenset[Operator] = frozenset({"contains"})
_ORDERED: frozenset[Operator] = frozenset({">", ">=", "<", "<="})
_COMPARE = {
    **{"=": "equal", "!=": "equal", ">": "greater", ">=": "greater_equal"},
    **{"<": "less", "<=": "less_equal"},
}
"""Names of Arrow's functions."""
_NEGATED: frozenset[Operator] = frozenset({"!=", "not in"})
_SURROGATE = re.compile(r"[\ud800-\udfff]")
"""What JSON can spell and UTF-8 cannot."""
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?!\d)", re.ASCII)
_BOOLS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A condition on one attribute."""

    key: str
    operator: Operator
    value: Value | tuple[Value, ...]
    """Several values for ``in`` and ``not in``."""

    def __str__(self) -> str:
        """Return the condition as a person would type it."""
        listed = isinstance(self.value, tuple)
        value = ", ".join(map(str, self.value)) if isinstance(self.value, tuple) else self.value
        return f"{self.key} {self.operator} {f'({value})' if listed else value}"


@dataclass(frozen=True, slots=True)
class And:
    """All of several filters, at least two."""

    filters: tuple[Filter, ...]

    def __str__(self) -> str:
        """Return the filters, joined."""
        return " and ".join(f"({f})" if isinstance(f, Or) else str(f) for f in self.filters)


@dataclass(frozen=True, slots=True)
class Or:
    """Any of several filters, at least two."""

    filters: tuple[Filter, ...]

    def __str__(self) -> str:
        """Return the filters, joined."""
        return " or ".join(str(f) for f in self.filters)


Filter: TypeAlias = Comparison | And | Or
_BRANCHES: dict[str, type[And | Or]] = {"$and": And, "$or": Or}


def parse(texts: Sequence[str], attributes: Mapping[str, str]) -> Filter | None:
    """Return a filter that demands all of ``texts``; None if there are none.

    Args:
        texts: ``key=value`` with ``=  !=  >  >=  <  <=``, or a JSON object as `from_json` takes it.
        attributes: the index's attributes and their types.

    Raises:
        ConfigError: a filter is malformed or too large, or names an unknown attribute.
    """
    parser = _Parser(attributes)
    parsed = tuple(parser.text(text) for text in texts)
    if len(parsed) > 1:
        return And(parsed)
    return parsed[0] if parsed else None


def from_json(where: Mapping[str, Any], attributes: Mapping[str, str]) -> Filter:
    """Return the filter of a JSON object such as ``{"$or": [{"a": 1}, {"b": {"$gte": 2}}]}``.

    Raises:
        ConfigError: it is malformed or too large, or names an unknown attribute.
    """
    return _Parser(attributes).parsed(where)


def to_json(chosen: Filter) -> dict[str, Any]:
    """Return the JSON object that `from_json` turns into the same filter."""
    if isinstance(chosen, Comparison):
        listed = isinstance(chosen.value, tuple)
        value = list(cast("tuple[Value, ...]", chosen.value)) if listed else chosen.value
        return {chosen.key: {_JSON_NAMES[chosen.operator]: value}}
    name = "$and" if isinstance(chosen, And) else "$or"
    return {name: [to_json(each) for each in chosen.filters]}


def comparisons(chosen: Filter) -> Iterator[Comparison]:
    """Yield the conditions that a filter is made of."""
    if isinstance(chosen, Comparison):
        yield chosen
    else:
        for each in chosen.filters:
            yield from comparisons(each)


def keys(chosen: Filter) -> set[str]:
    """Return the names of the attributes that a filter looks at."""
    return {each.key for each in comparisons(chosen)}


def is_of_texts(chosen: Filter) -> bool:
    """Return whether a filter looks into texts, or at their order, as few databases can."""
    return any(
        each.operator in _TEXT_ALONE or (each.operator in _ORDERED and isinstance(each.value, str))
        for each in comparisons(chosen)
    )


def mask(chosen: Filter, columns: Mapping[str, pa.Array | np.ndarray]) -> np.ndarray:
    """Return which rows satisfy a filter, bool [N].

    Args:
        chosen: the filter.
        columns: by name those of `keys`, N values each; null and NaN are missing values.
    """
    if isinstance(chosen, Comparison):
        return _compare(chosen, columns[chosen.key])
    masks = [mask(each, columns) for each in chosen.filters]
    combine = np.logical_and if isinstance(chosen, And) else np.logical_or
    return cast("np.ndarray", combine.reduce(masks))


def _compare(chosen: Comparison, column: pa.Array | np.ndarray) -> np.ndarray:
    import pyarrow as pa

    values = pa.array(column, from_pandas=True) if isinstance(column, np.ndarray) else column
    coded = pa.types.is_dictionary(values.type)  # of which each word is compared once
    found = _satisfies(chosen, values.dictionary if coded else values).fill_null(False)
    result: np.ndarray = found.to_numpy(zero_copy_only=False)
    if coded:
        result = _of_words(result, values.indices)
    return ~result if chosen.operator in _NEGATED else result


def _of_words(found: np.ndarray, numbers: pa.Array) -> np.ndarray:
    """Return what was found of the word of each row, bool [N]; of a row without one, nothing."""
    import pyarrow as pa

    # Arrow's own take, and numbers in place of null, cost several times as much.
    buffers = [None, numbers.buffers()[1]]
    bare = pa.Array.from_buffers(numbers.type, len(numbers), buffers, offset=numbers.offset)
    result = np.append(found, False).take(bare.to_numpy(), mode="clip")
    if numbers.null_count:
        result &= numbers.is_valid().to_numpy(zero_copy_only=False)
    return cast("np.ndarray", result)


def _satisfies(chosen: Comparison, values: pa.Array) -> pa.BooleanArray:
    """Return which values satisfy a comparison, or its opposite if that is negated; or null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    floating = pa.types.is_floating(values.type)
    if floating:
        values = pc.if_else(pc.is_nan(values), None, values)
    if isinstance(chosen.value, tuple):
        wanted: list[Any] = [*chosen.value]
        if floating:  # -0.0 + 0.0 is 0.0, from which is_in tells it
            values = pc.add(values, pa.scalar(0.0, values.type))
            wanted = [number + 0.0 for number in wanted]
        return pc.is_in(values, pa.array(wanted))
    if chosen.operator == "contains":
        return pc.match_substring(values, chosen.value, ignore_case=True)
    return getattr(pc, _COMPARE[chosen.operator])(values, chosen.value)


class _Parser:
    """Parses filters that are sent to a backend as one, and counts their size."""

    def __init__(self, attributes: Mapping[str, str]) -> None:
        self._types = {**BUILT_IN, **attributes}
        self._comparisons = self._values = 0

    def text(self, text: str) -> Filter:
        if text.lstrip().startswith("{"):
            try:
                return self.parsed(dict(json.loads(text)))
            except (ValueError, RecursionError) as error:
                raise ConfigError(f"where {text!r} is not JSON: {error}") from error
        match = _FORM.fullmatch(text)
        if match is None:
            raise ConfigError(
                f"where {text!r} is not a filter; write key=value with one of = != > >= < <= and ~ "
                '(contains), or a JSON object such as {"key": {"$in": ["a", "b"]}}'
            )
        key, operator, value = match.groups()
        kind = self._kind(key)
        return self._comparison(
            text, key, _TYPED.get(operator, operator), _typed(value.strip(), kind, text)
        )

    def parsed(self, where: Mapping[str, Any], depth: int = 0) -> Filter:
        if len(where) != 1 or depth > _MAX_DEPTH:
            raise ConfigError(
                f"where {_short(where)}: a filter has one key, an attribute, $and or $or, and is "
                f"nested at most {_MAX_DEPTH} deep"
            )
        ((key, value),) = where.items()
        if branch := _BRANCHES.get(key):
            if not (isinstance(value, list) and len(value) > 1 and all(map(_is_dict, value))):
                raise ConfigError(
                    f"where {_short(where)}: {key} takes a list of at least 2 filters"
                )
            return branch(tuple(self.parsed(each, depth + 1) for each in value))
        self._kind(key)
        condition = value if _is_dict(value) else {"$eq": value}
        if len(condition) != 1:
            raise ConfigError(f"where {_short(where)}: give exactly one operator")
        ((name, operand),) = condition.items()
        return self._comparison(_short(where), key, _NAMES.get(name, name), operand)

    def _kind(self, key: str) -> str:
        if key not in self._types:
            known = ", ".join(self._types)
            raise ConfigError(f"where: there is no attribute {key[:200]}; choose from {known}")
        return self._types[key]

    def _comparison(self, text: str, key: str, operator: str, operand: object) -> Comparison:
        kind = self._types[key]
        self._count(operand)
        allowed = [
            o
            for o in _JSON_NAMES
            if (kind == "string" or o not in _TEXT_ALONE) and (kind != "bool" or o not in _ORDERED)
        ]
        if operator not in allowed:
            raise ConfigError(
                f"where {text}: {key} is of type {kind}; its operators are "
                + ", ".join(f"{o} ({_JSON_NAMES[o]})" for o in allowed)
            )
        listed = operator in {"in", "not in"}
        operands = operand if listed else [operand]
        if not (isinstance(operands, list) and operands and all(_fits(x, kind) for x in operands)):
            wanted = f"a {'list' if listed else 'value'} of type {kind}"
            wanted += " in UTF-8" if kind == "string" else ""
            raise ConfigError(f"where {text}: {key} {operator} takes {wanted}")
        if operator in _ORDERED and kind == "string":
            _check_date(text, operands[0])
        pairs = [_exact(text, kind, operator, value) for value in operands]
        values = tuple(value for _, value in pairs)
        return Comparison(key, pairs[0][0], values if listed else values[0])

    def _count(self, operand: object) -> None:
        self._comparisons += 1
        self._values += len(operand) if isinstance(operand, list) else 1
        if self._comparisons > MOST_COMPARISONS or self._values > MOST_VALUES:
            raise ConfigError(
                f"where: a filter has at most {MOST_COMPARISONS} comparisons and "
                f"{MOST_VALUES:,} values; make it smaller, or split the query"
            )


def _fits(value: object, kind: str) -> bool:
    if isinstance(value, bool) or kind == "bool":
        return isinstance(value, bool) and kind == "bool"
    if isinstance(value, str):
        return kind == "string" and not _SURROGATE.search(value)
    if isinstance(value, int) or kind == "int":
        limited = isinstance(value, int | float) and -_LARGEST <= value < _LARGEST  # NaN is not
        return kind in {"int", "float"} and limited
    return isinstance(value, float) and kind == "float" and math.isfinite(value)


def _check_date(text: str, value: str) -> None:
    """Refuse a date that no calendar has: as a text it would be compared all the same."""
    if (day := _DATE.match(value)) is not None:
        try:
            date.fromisoformat(day[0])
        except ValueError as error:
            raise ConfigError(f"where {text}: there is no day {day[0]}: {error}") from error


def _exact(text: str, kind: str, operator: Operator, value: Value) -> tuple[Operator, Value]:
    """Return an equivalent operator and value, the value exactly of the attribute's type.

    No int is equal to 2.5, and no float64 to 2**53 + 1: such a bound moves to the nearest value of
    the type on its far side.
    """
    if isinstance(value, str | bool):
        return operator, value
    below, above = _neighbours(value) if kind == "float" else (math.floor(value), math.ceil(value))
    if below == above:
        return operator, below
    if operator in {">", ">="}:
        return ">=", above
    if operator in {"<", "<="}:
        return "<=", below
    raise ConfigError(
        f"where {text}: no {kind} equals {value}; the nearest ones are {below} and {above}"
    )


def _neighbours(value: float) -> tuple[float, float]:
    """Return the largest float that is at most ``value``, and the least that is at least that."""
    near = float(value)
    below = near if near <= value else math.nextafter(near, -math.inf)
    return below, near if near >= value else math.nextafter(near, math.inf)


def _typed(text: str, kind: str, clause: str) -> Value:
    """Return a value that a person typed as the type that its attribute has."""
    try:
        if kind == "bool":
            return _BOOLS[text.lower()]
        if kind == "string":
            return text
        with contextlib.suppress(ValueError):
            return int(text)
        return float(text)
    except (KeyError, ValueError) as error:
        allowed = "true or false" if kind == "bool" else f"of type {kind}"
        raise ConfigError(f"where {clause!r}: {text!r} is not {allowed}") from error


def _is_dict(value: object) -> bool:
    return isinstance(value, dict)


def _short(value: object) -> str:
    return json.dumps(value)[:200]
