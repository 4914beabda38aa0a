"""The words of a command line as Hydra reads them."""

from __future__ import annotations

import argparse
import os
import shlex
from typing import TYPE_CHECKING

from clipvec.errors import ConfigError
from clipvec.locations import expanded

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from typing import NoReturn

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


def given_overrides(words: Sequence[str], flags: Collection[str] = ()) -> list[str]:
    """Return the arguments that are neither Hydra's flags nor their values.

    Args:
        words: as Hydra reads them.
        flags: that the command has besides, and words that stand for themselves; ``words`` have
            none of them, but perhaps one that is misspelt.

    Raises:
        ConfigError: a flag is not one of Hydra's, or lacks its value; a word is misspelt.
    """
    from hydra._internal.utils import get_args_parser

    from clipvec.config import did_you_mean

    parser = get_args_parser()
    parser.exit_on_error = parser.allow_abbrev = False
    try:
        known, unknown = parser.parse_known_args(words)
    except argparse.ArgumentError as error:
        raise ConfigError(f"{error}; --hydra-help explains Hydra's flags") from error
    if unknown:
        _refuse_flag(unknown[0], {*parser._option_string_actions, *flags})
    for word in known.overrides:
        alone = [flag for flag in flags if not flag.startswith("-")]
        if "=" not in word and (meant := did_you_mean(word, alone)):
            raise ConfigError(f"{word} is not a word here{meant}")
    return list(known.overrides)


def _refuse_flag(word: str, flags: Collection[str]) -> NoReturn:
    from clipvec.config import did_you_mean

    flag, _, value = word.partition("=")
    if value and flag in flags:
        raise ConfigError(f"{word}: {flag} takes no value; write it alone")
    meant = did_you_mean(flag, [each for each in flags if each.startswith("--")])
    meant = meant or "; options are written key=value, as in shards=3"
    raise ConfigError(f"{word} is not a flag here{meant}")


def refuse_cut_path(name: str, arguments: Sequence[str]) -> None:
    """Refuse a path that the shell cut at its blanks, with the command that was meant.

    Args:
        name: of the command.
        arguments: its command line, in which a word that is neither a flag nor key=value belongs to
            the one before it.

    Raises:
        ConfigError: a word, or its value, and those after it together name a file or folder.
    """
    for at, word in enumerate(arguments):
        key, sign, value = word.rpartition("=")
        rest = arguments[at + 1 :]
        if word.startswith("-") or not rest or rest[0].startswith("-"):
            continue
        for end in range(len(rest), 0, -1):
            path = " ".join([value, *rest[:end]])
            if os.path.exists(expanded(path)):  # noqa: PTH110 # that of Path raises at long texts
                meant = [*arguments[:at], f"{key}{sign}{path}", *rest[end:]]
                raise ConfigError(
                    f"{path} has blanks in it, which end a word; put it in quotes: "
                    f"{shlex.join(['clipvec', name, *meant])}"
                )
