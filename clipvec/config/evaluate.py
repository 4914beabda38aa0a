"""Texts of classes, and prices of machines, of ``clipvec evaluate``."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.dataclasses import dataclass

from clipvec.config.fields import STRICT, PositiveNumber

_PLACE = "{}"


def _with_place(template: str) -> str:
    if _PLACE not in template:
        raise ValueError("no {} in it, which is where the name of the class goes")
    return template


def class_name(value: object) -> str:
    """Return the name of the class that a value of an attribute stands for."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _named(names: object) -> object:
    """Spell whole numbers, true and false as classes are."""
    return {class_name(key): n for key, n in names.items()} if isinstance(names, dict) else names


EVERY_MODEL = "*"


def _by_model(price: object) -> object:
    """Give a lone price to all models."""
    return price if price is None or isinstance(price, dict) else {EVERY_MODEL: price}


PricePerHour: TypeAlias = Annotated[dict[str, PositiveNumber], BeforeValidator(_by_model)]
"""US dollars by the names of models; `EVERY_MODEL`: those that are not named."""


@dataclass(frozen=True, config=STRICT)
class PromptsConfig:
    """Texts that stand for a class where images are classified by texts alone."""

    templates: Annotated[list[Annotated[str, AfterValidator(_with_place)]], Field(min_length=1)]
    """Texts with ``{}`` in the place of the name; the vector of a class is the mean of theirs."""
    names: Annotated[dict[str, str], BeforeValidator(_named)] = Field(default_factory=dict)
    """Names of classes by their values in the store, such as ``{n02084071: dog}``; others are
    called by their values, with spaces for underscores."""

    def of(self, value: str) -> list[str]:
        """Return the texts that stand for a class."""
        name = self.names.get(value) or value.replace("_", " ")
        return [template.replace(_PLACE, name) for template in self.templates]
