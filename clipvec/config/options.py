"""Every option as its dataclass declares it: name, type, default, and the sentence below it."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import inspect
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from clipvec.config.kinds import Kind, Registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

REQUIRED = "???"
"""Default of an option that YAML or the user has to give."""
ANY_NAME = "NAME"
"""Stands in a key for a name of the user's choice, as in ``systems.NAME.factory``."""


@dataclasses.dataclass(frozen=True)
class Option:
    """One option, such as ``dataset.limit``."""

    key: str
    type: str
    """What it takes, such as ``int >= 1 or null``."""
    default: Any
    """What the class says; `REQUIRED`: it says nothing."""
    text: str
    """What it means: the docstring below the field."""
    is_choice: bool
    """Whether `type` lists its values."""
    is_mapping: bool
    """Whether users add keys of their own below it."""


@dataclasses.dataclass(frozen=True)
class Section:
    """The options of one class: a command's own, or those of a group."""

    key: str
    """Prefix of the options; empty: the command's own."""
    schema: type
    text: str
    """What the class is: the first paragraph of its docstring."""
    tags: dict[str, tuple[Any, ...]]
    """The keys that tell this class from others of its group, and their values."""
    options: tuple[Option, ...]

    def fits(self, values: object) -> bool:
        """Return whether a configuration, as plain values, has a section of this kind."""
        tags = self.tags.items()
        return all(ANY_NAME in tag or value_at(values, tag) in allowed for tag, allowed in tags)


def value_at(values: Any, key: str) -> Any:
    """Return what plain values hold at a key such as ``model.arch``; None: nothing."""
    for part in key.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values


def sections(schema: Any) -> list[Section]:
    """Return the options of a config: its own first, then each group's; all kinds of a group."""
    return [section for one in _classes(schema)[0] for section in _sections(one, "")]


def _sections(schema: type, prefix: str) -> Iterator[Section]:
    hints = get_type_hints(schema, include_extras=True)
    texts = _texts(schema)
    own, inner = [], []
    for field in dataclasses.fields(schema):
        key = f"{prefix}{field.name}"
        classes, named = _classes(hints[field.name])
        if classes:
            below = f"{key}.{ANY_NAME}." if named else f"{key}."
            inner += [section for one in classes for section in _sections(one, below)]
            continue
        own.append(
            Option(
                key,
                describe(hints[field.name]),
                _default(schema, field.name),
                texts.get(field.name, ""),
                _is_choice(hints[field.name]),
                _is_mapping(hints[field.name]),
            )
        )
    tags = {
        f"{prefix}{field.name}": get_args(hints[field.name])
        for field in dataclasses.fields(schema)
        if get_origin(hints[field.name]) is Literal
        and (field.name == "kind" or _default(schema, field.name) == REQUIRED)
    }
    yield Section(prefix.rstrip("."), schema, first_paragraph(schema), tags, tuple(own))
    yield from inner


def did_you_mean(word: str, known: Iterable[str], at_least: float = 0.6) -> str:
    """Return the end of a refusal that names the known word that is nearest, or nothing.

    Args:
        word: what was typed.
        known: what could have been typed.
        at_least: similarity, 0 to 1, as in `difflib`.
    """
    words = set(known) - {word}  # which is known elsewhere, as an option of another kind is
    near = difflib.get_close_matches(word, sorted(words), n=1, cutoff=at_least)
    return f"; did you mean {near[0]}?" if near else ""


def of_other_kinds(key: str, found: Iterable[Section], values: object) -> str:
    """Return the end of a refusal of an option that a group has by another choice, or nothing.

    Args:
        key: of the option.
        found: all sections of a config.
        values: the configuration that lacks it, as plain values.
    """
    choices = [
        f"{tag.removesuffix('.kind')}={kind}"
        for section in found
        if not section.fits(values) and any(option.key == key for option in section.options)
        for tag, kinds in section.tags.items()
        for kind in kinds
    ]
    if not choices:
        return ""
    sweeps = ", which -m starts" if key.startswith("launcher.") else ""
    return f"; it is one of {' or '.join(choices)}{sweeps}"


def first_paragraph(schema: type) -> str:
    """Return the first paragraph of a class's docstring on one line."""
    return " ".join(inspect.cleandoc(schema.__doc__ or "").split("\n\n")[0].split())


def _classes(hint: Any) -> tuple[list[type], bool]:
    """Return the config classes that a field may hold, and whether users name them."""
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return [hint], False
    arguments = get_args(hint)
    if get_origin(hint) is dict:
        return _classes(arguments[1])[0], True
    if get_origin(hint) is Annotated:
        registry = _registry(hint)
        kinds: list[Any] = [registry.get(name) for name in registry.names()] if registry else []
        sections = [kind for kind in kinds if hasattr(kind, "__dataclass_fields__")]
        return (sections, False) if sections else _classes(arguments[0])
    if get_origin(hint) in {Union, UnionType}:
        return [one for argument in arguments for one in _classes(argument)[0]], False
    return [], False


def _registry(hint: Any) -> Registry[Kind] | None:
    """Return the kinds that an annotated type takes: sections, or their names alone."""
    for one in getattr(hint, "__metadata__", ()):
        registry = getattr(getattr(one, "func", None), "__self__", one)  # of a validator's method
        if isinstance(registry, Registry):
            return registry
    return None


def _default(schema: Any, name: str) -> Any:
    field = schema.__pydantic_fields__[name]
    return REQUIRED if field.is_required() else field.get_default(call_default_factory=True)


def _is_mapping(hint: Any) -> bool:
    return get_origin(hint) is dict or any(map(_is_mapping, _members(hint)))


def _is_choice(hint: Any) -> bool:
    named = get_origin(hint) is Literal or _registry(hint) is not None
    return named or any(map(_is_choice, _members(hint)))


def _members(hint: Any) -> tuple[Any, ...]:
    """Return the types of a union, or the one that is annotated."""
    if get_origin(hint) is Annotated:
        return get_args(hint)[:1]
    return get_args(hint) if get_origin(hint) in {Union, UnionType} else ()


def describe(hint: Any) -> str:
    """Return what a type takes in words, such as ``int 0 to 1024`` or ``list of str``."""
    origin, arguments = get_origin(hint), get_args(hint)
    if registry := _registry(hint):
        return ", ".join(registry.names())
    if origin is Annotated:
        return " ".join(filter(None, (describe(arguments[0]), _bounds(arguments[1:]))))
    if origin in {Union, UnionType}:
        return " or ".join(dict.fromkeys(map(describe, arguments)))
    if origin is Literal:
        return ", ".join(map(str, arguments))
    if origin is list:
        return f"list of {describe(arguments[0])}"
    return {NoneType: "null", Any: "any", dict: "mapping"}.get(origin or hint) or str(hint.__name__)


def _bounds(metadata: tuple[Any, ...]) -> str:
    """Return what pydantic's ``Field(ge=1, le=9)`` and the like allow."""
    found: dict[str, Any] = {}
    for field in metadata:
        for constraint in getattr(field, "metadata", ()):
            for name in ("ge", "gt", "le", "lt"):
                if hasattr(constraint, name):
                    found[name] = getattr(constraint, name)
    if set(found) == {"ge", "le"}:
        return f"{found['ge']} to {found['le']}"
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    return ", ".join(f"{signs[name]} {value}" for name, value in found.items())


@cache
def _texts(schema: type) -> dict[str, str]:
    """Return the docstrings below the fields of a class and of those it inherits from."""
    found: dict[str, str] = {}
    for one in reversed(schema.__mro__):
        if dataclasses.is_dataclass(one):
            found |= _of_module(str(inspect.getsourcefile(one))).get(one.__name__, {})
    return found


@cache
def _of_module(file: str) -> dict[str, dict[str, str]]:
    """Return the docstrings below fields by class; Python itself does not keep them."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(Path(file).read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.ClassDef):
            continue
        texts = found.setdefault(node.name, {})
        for field, below in zip(node.body, node.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
            ):
                texts[field.target.id] = " ".join(str(below.value.value).split())
    return found
