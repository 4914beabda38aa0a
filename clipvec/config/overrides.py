"""Python values as overrides in Hydra's words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from clipvec.errors import ConfigError


def override(key: str, value: object) -> str:
    """Return a Python value as an override in Hydra's words, which mean the value literally.

    Raises:
        ConfigError: no option has values of its type.
    """
    return f"{key}={_literal(value)}"


def _literal(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str | Path):
        return _quoted(str(value))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_literal(each)}" for key, each in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(_literal, value)) + "]"
    raise ConfigError(
        f"{value!r} is no value of an option; give None, a bool, a number, a text, a path, or a "
        "list or dict of them"
    )


def _quoted(text: str) -> str:
    """Return a text as Hydra's quoted value, in which nothing is interpolated."""
    # Backslashes count only before a quote, and before ${, where OmegaConf looks for them.
    escaped = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    return "'" + re.sub(r"(\\*)('|\Z)", _escaped_quote, escaped) + "'"


def _escaped_quote(match: re.Match[str]) -> str:
    return match[1] * 2 + ("\\'" if match[2] else "")
