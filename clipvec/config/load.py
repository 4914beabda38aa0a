"""From what Hydra composed to a config, or to one line that says what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from clipvec.config.fields import IN_WORDS, name_of
from clipvec.config.options import did_you_mean, of_other_kinds, sections
from clipvec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from omegaconf import DictConfig

T = TypeVar("T")
_RESOLVING = "raised while resolving interpolation"
"""What OmegaConf says of an error of a resolver, which it does not keep."""


def read(cfg: DictConfig, schema: type[T]) -> T:
    """Return the composed configuration as a ``schema``.

    Raises:
        ConfigError: a field is missing, unknown, or has a value that is not allowed.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    OmegaConf.register_new_resolver("clipvec.folder_name", _folder_name, replace=True)
    try:
        values = OmegaConf.to_container(cfg, resolve=True)
    except OmegaConfBaseException as error:
        said = str(error).splitlines()[0]
        _, of_ours, reason = said.partition(f"{ConfigError.__name__} {_RESOLVING}: ")
        raise ConfigError(reason if of_ours else f"{error.full_key}: {said}") from error
    return from_dict(_without_missing(values), schema)


def _folder_name(*, _parent_: DictConfig) -> str:
    """Return the name of a dataset that is a folder; what ``conf/dataset/folder.yaml`` asks for."""
    from omegaconf import OmegaConf

    if OmegaConf.is_missing(_parent_, "path"):
        raise ConfigError(
            "dataset.path is not set; give it as dataset.path=..., or the name of a store that it "
            "made as dataset.name=..."
        )
    return name_of(str(_parent_.path))


def _without_missing(values: object) -> object:
    """Leave out what is ``???``, which is an error only where the schema wants it."""
    if isinstance(values, dict):
        return {k: _without_missing(v) for k, v in values.items() if v != "???"}
    return values


def from_dict(values: object, schema: type[T]) -> T:
    """Return plain ``values`` (from YAML or JSON) as a ``schema``.

    Raises:
        ConfigError: a field is missing, unknown, or has a value that is not allowed.
    """
    try:
        return TypeAdapter(schema).validate_python(values)
    except ValidationError as error:
        problems = "; ".join(_problem(detail, schema, values) for detail in error.errors())
        raise ConfigError(problems) from error


def to_dict(section: object) -> dict[str, Any]:
    """Return a config section as plain JSON values."""
    values = TypeAdapter(type(section)).dump_python(section, mode="json")
    return dict(values)


def _problem(detail: Mapping[str, Any], schema: type, values: object) -> str:
    where = ".".join(map(str, detail["loc"])) or "configuration"
    if detail["type"] == "missing":
        return f"{where} is not set; give it as {where}=..."
    if detail["type"] in {"unexpected_keyword_argument", "extra_forbidden"}:
        found = sections(schema)
        known = [o.key for section in found if section.fits(values) for o in section.options]
        hint = of_other_kinds(where, found, values) or did_you_mean(where, known)
        return f"{where} is not an option here{hint}"
    pattern = detail.get("ctx", {}).get("pattern")
    if pattern in IN_WORDS:  # kinds of others have patterns of their own
        return f"{where}={detail['input']!r}: allowed are {IN_WORDS[pattern]}"
    if "unknown" in detail.get("ctx", {}):  # a key of a mapping, all of which would hide it
        return f"{where}: {detail['msg']}"
    message = detail["msg"].removeprefix("Value error, ")  # one of our own
    return f"{where}={detail['input']!r}: {message[0].lower()}{message[1:]}"


def load_env(folder: Path | None = None) -> None:
    """Read ``.env`` of the working folder into the environment; what is set already stays."""
    from dotenv import load_dotenv

    load_dotenv((folder or Path.cwd()) / ".env", override=False)
