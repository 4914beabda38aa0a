"""What ``--help`` prints of a command whose configuration Hydra composes."""

from __future__ import annotations

import json
import math
import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Any

import yaml

from clipvec.config.commands import SCHEMAS
from clipvec.config.compose import compose, groups, options_of
from clipvec.config.options import ANY_NAME, sections, value_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clipvec.config.options import Option

_WIDTH = 100
_COLUMN = 30
_END = "--cfg job prints the configuration and stops; --hydra-help explains Hydra's own flags."


def help_text(name: str, overrides: Sequence[str]) -> str:
    """Return the groups of a command and its options, with the values that they would have.

    Args:
        name: of the command.
        overrides: given beside ``--help``: of a group with kinds, the chosen one is explained.
    """
    from omegaconf import OmegaConf

    composed = compose(name, overrides, with_hydra=True)
    values = OmegaConf.to_container(composed)  # interpolations as they are written
    found = sections(SCHEMAS[name])
    kinds = Counter(section.key for section in found)
    lines = ["Config groups (choose with group=option)"]
    for group in sorted(groups(composed), key=[*kinds, *groups(composed)].index):
        lines += _entry(group, ", ".join(options_of(group)))
    lines += ["", "Options (change with key=value; ??? has to be given)"]
    for section in found:
        single = kinds[section.key] == 1
        if single or section.fits(values):
            if section.key:
                lines += ["", *textwrap.wrap(f"{section.key}: {_plain(section.text)}", _WIDTH)]
            for option in section.options:
                if single or option.key not in section.tags:
                    lines += _option(option, values)
    return "\n".join([*lines, "", _END])


def _option(option: Option, values: Any) -> Iterator[str]:
    value = option.default if ANY_NAME in option.key else value_at(values, option.key)
    allowed = f" [{option.type}]" if option.is_choice else ""
    yield from _entry(f"{option.key}={shown(value)}", _plain(option.text) + allowed)


def shown(value: Any) -> str:
    """Return a value as it is typed."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        value = {key: below for key, below in value.items() if below is not None}
    if isinstance(value, dict | list):
        return yaml.safe_dump(
            value, default_flow_style=True, width=math.inf, sort_keys=False
        ).strip()
    return json.dumps(value)


def _entry(term: str, text: str) -> Iterator[str]:
    """Return a term and what it means, side by side or one below the other."""
    indent = " " * _COLUMN
    first = f"  {term}".ljust(_COLUMN)
    lines = textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent)
    if not first.endswith(" ") or not lines:
        yield first.rstrip()
    else:
        yield first + lines.pop(0).lstrip()
    yield from lines


def _plain(text: str) -> str:
    return text.replace("`", "")
