"""Kinds: the things that one place of a configuration can be, each declared once, on its own class.

A package outside of clipvec adds one by an entry point of a registry's group, see
docs/extending.md. Entry points are read only where clipvec's own kinds do not suffice.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, fields, is_dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError, core_schema

from clipvec.errors import ConfigError
from clipvec.extras import SCHEME_EXTRAS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import GetCoreSchemaHandler
    from pydantic_core import InitErrorDetails


class Kind:
    """One kind of something. Where it has options, it is a frozen dataclass of pydantic's."""

    kind: str
    """Its name; of a dataclass, a field such as ``kind: Literal["folder"] = "folder"``."""
    loads: ClassVar[str]
    """``module:name`` of the class behind it, which is imported when it is first used."""
    extras: ClassVar[tuple[str, ...]] = ()
    """Extras of clipvec that it needs."""

    @classmethod
    def load(cls) -> Any:
        """Import and return what `loads` names."""
        module, _, name = cls.loads.partition(":")
        return getattr(importlib.import_module(module), name)


K = TypeVar("K", bound=Kind)


@dataclass(frozen=True)
class Registry(Generic[K]):
    """All kinds of one thing.

    ``Annotated[Base, registry]`` is the type of a field that takes any of them, chosen by ``kind``.
    """

    group: str
    """Entry points of other packages: ``<kind> = "<module>:<class>"``."""
    own: tuple[type[K], ...]
    """The kinds of clipvec itself."""

    def get(self, kind: str) -> type[K] | None:
        """Return the class of a kind, or None if no package offers it.

        Raises:
            ConfigError: the package that offers it cannot be imported.
        """
        for known in self.own:
            if known.kind == kind:
                return known
        for point in entry_points(group=self.group, name=kind):
            try:
                found: type[K] = point.load()
            except Exception as error:  # whatever the import of another's package may raise
                package = point.dist.name if point.dist else point.value
                raise ConfigError(f"{kind}, of {package}, cannot be imported: {error!r}") from error
            return found
        return None

    def names(self) -> list[str]:
        """Return the names of all kinds, clipvec's and those of other packages."""
        own = (known.kind for known in self.own)
        return sorted({*own, *(point.name for point in entry_points(group=self.group))})

    def check(self, kind: str) -> str:
        """Return the name of a kind as it is: the validator of fields that hold no more.

        Raises:
            PydanticCustomError: there is no such kind.
        """
        if self.get(kind) is None:
            raise self._unknown()
        return kind

    def read(self, values: object) -> K:
        """Return the section that ``values`` describe, as an instance of its kind's class.

        Raises:
            ValidationError: the kind is not given or unknown, or an option does not fit it.
        """
        if isinstance(values, Kind):
            return values  # type: ignore[return-value]  # a section that was read before
        kind = values.get("kind") if isinstance(values, dict) else None
        chosen = self.get(kind) if isinstance(kind, str) else None
        if chosen is None:
            problem: InitErrorDetails = {
                "type": "missing" if kind is None else self._unknown(),
                "loc": ("kind",),
                "input": kind,
            }
            raise ValidationError.from_exception_data(self.group, [problem])
        return TypeAdapter(chosen).validate_python(values)

    def _unknown(self) -> PydanticCustomError:
        return PydanticCustomError(
            "kind", "{kinds}", {"kinds": f"one of {', '.join(self.names())}"}
        )

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Read lazily, so that no kind needs to be known when a field is declared."""
        as_json = core_schema.plain_serializer_function_ser_schema(
            lambda section: TypeAdapter(type(section)).dump_python(section, mode="json")
        )
        return core_schema.no_info_plain_validator_function(self.read, serialization=as_json)


def extras_for(config: object) -> tuple[str, ...]:
    """Return the extras of clipvec that a configuration needs, sorted.

    They are those that its sections name as their ``extras``, and those of the URLs in it.
    """
    return tuple(sorted(set(_extras(config))))


def _extras(value: object) -> Iterator[str]:
    if isinstance(value, str):
        scheme, separator, _ = value.partition("://")
        if separator and scheme in SCHEME_EXTRAS:
            yield SCHEME_EXTRAS[scheme]
    elif isinstance(value, list):
        for item in value:
            yield from _extras(item)
    elif isinstance(value, dict):  # of sections by name; what SkyPilot mounts needs no extra
        for item in value.values():
            if is_dataclass(item):
                yield from _extras(item)
    elif is_dataclass(value):
        yield from getattr(value, "extras", ())
        for field in fields(value):
            yield from _extras(getattr(value, field.name))
