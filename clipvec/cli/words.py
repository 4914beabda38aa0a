"""The words of a command line as Hydra reads them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from clipvec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_HYDRAS = ("[", "'", '"')
"""Beginnings of values that are lists or quoted."""
PATHS = {"dataset.path", "dataset.manifest", "index.path", "store.root"}
"""Options whose values shells complete: with blanks, brackets and ``=``."""


def literal_paths(words: Iterable[str]) -> list[str]:
    """Return overrides as Hydra reads them: a path, as a shell completes it, means itself."""
    return [literally(word, PATHS) for word in words]


def literally(word: str, texts: Collection[str]) -> str:
    """Return an argument as Hydra reads it: quoted, if it is the value of one of ``texts``."""
    key, _, value = word.partition("=")
    if key not in texts or value == "null" or value.startswith(_HYDRAS) or "${" in value:
        return word
    from clipvec import config

    return config.override(key, value)


def given_overrides(words: Sequence[str]) -> list[str]:
    """Return the arguments that are neither Hydra's flags nor their values.

    Raises:
        ConfigError: a flag is not one of Hydra's, or lacks its value.
    """
    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()
    parser.exit_on_error = False
    try:
        known, unknown = parser.parse_known_args(words)
    except argparse.ArgumentError as error:
        raise ConfigError(f"{error}; --hydra-help explains Hydra's flags") from error
    if unknown:
        raise ConfigError(
            f"{unknown[0]} is not a flag here; options are written key=value, as in shards=3"
        )
    return list(known.overrides)
