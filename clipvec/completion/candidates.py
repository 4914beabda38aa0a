"""What may come next on a command line."""

from __future__ import annotations

import argparse
import re
import shlex
from contextlib import suppress
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from clipvec.cli import HydraCommand, commands
from clipvec.completion.composition import Composition
from clipvec.locations import expanded
from clipvec.paths import CONF_DIR, STORE_JSON, IndexPaths, RowsPaths, whole_collection

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_CONFIG_DIRS = ("--config-dir", "-cd")
_FLAGS = ("-m", "--multirun", "--cfg", "--config-dir", "--help", "--version")
"""Those of Hydra's that are of use here."""
_CONFIGS = {"search": ["search"], "photos": ["embed", "index", "serve"]}
"""Whose options the commands take that have flags of their own."""
_PLACES = {"dataset.name": "store.root", "collection": "index.path", "beside": "index.path"}
"""Options that name what earlier commands made, and that of the folder that has it."""
_SIGNS = re.compile(r"[+~]*")


def candidates(line: str) -> list[str]:
    """Return the words that may end a command line, in order; none where files may.

    Args:
        line: up to the cursor, from ``clipvec`` or ``clipvec-COMMAND`` on.
    """
    *before, word = _words(line)
    while before and "=" in before[0]:  # environment variables
        before.pop(0)
    if not before:
        return []
    program = Path(before.pop(0)).name
    if program == "clipvec":
        if not before:
            return _that_begin([*commands(), "--help", "--version"], word)
        program = before.pop(0)
    name = program.removeprefix("clipvec-")
    return _that_begin(_next(name, before, word), word) if name in commands() else []


def _words(line: str) -> list[str]:
    """Return the words of an unfinished line; the last one, perhaps empty, is being typed."""
    for quote in ("", "'", '"'):
        try:
            words = shlex.split(f"{line}|{quote}")
        except ValueError:  # a quote is open
            continue
        return [*words[:-1], words[-1].removesuffix("|")]
    return [""]


def _that_begin(found: Iterable[str], word: str) -> list[str]:
    return sorted({each for each in found if each.startswith(word)})


def _next(name: str, before: Sequence[str], word: str) -> Iterable[str]:
    """Yield what may follow ``before`` on the command line of a command."""
    if name == "search" and before[-1:] == ["--where"]:
        if "=" not in word:
            folder = _folder("index.path", *_composed(name, before))
            yield from (f"{each}=" for each in _attributes(folder))
        return
    main = import_module(f"clipvec.{name}.__main__")
    command: HydraCommand | None = getattr(main, "COMMAND", None)
    if command is None:
        configs = _CONFIGS.get(name, [])
        flags = _of_parser(main.parser(), before)
    else:
        configs = [name]
        flags = [] if before and before[-1] in _CONFIG_DIRS else [*command.flags, *_FLAGS]
    if not flags:
        return
    yield from (flag for flag in flags if word or not flag.startswith("-"))
    for config in configs:
        yield from _overrides(config, before, word)


def _of_parser(parser: argparse.ArgumentParser, before: Sequence[str]) -> list[str]:
    """Return the flags and choices of a parser; none where a flag wants a value."""
    for action in parser._actions:
        if action.option_strings:
            if before and before[-1] in action.option_strings and action.nargs is None:
                return []
        elif isinstance(action, argparse._SubParsersAction):
            for word in before:
                if word in action.choices:
                    return _of_parser(action.choices[word], before)
    choices = [word for action in parser._actions for word in action.choices or ()]
    return [*parser._option_string_actions, *choices]


def _overrides(config: str, before: Sequence[str], word: str) -> Iterator[str]:
    """Yield ``group=``, ``section.`` and ``key=``, or what may stand behind the ``=``."""
    signs = _SIGNS.match(word)[0]  # type: ignore[index]  # it matches anything
    key, equals, value = word.removeprefix(signs).partition("=")
    made, chosen = _composed(config, before)
    if equals:
        done = value.rpartition(",")
        yield from (f"{signs}{key}={''.join(done[:2])}{x}" for x in _values(made, key, chosen))
        return
    section = "".join(key.rpartition(".")[:2])
    if not section:
        yield from (f"{signs}{group}=" for group in made.groups)
    for option in made.values:
        if option.startswith(section):
            name, deeper, _ = option.removeprefix(section).partition(".")
            yield f"{signs}{section}{name}{'.' if deeper else '='}"


def _composed(config: str, before: Sequence[str]) -> tuple[Composition, dict[str, str]]:
    """Return what a config is with the options of a line, and those options."""
    chosen = dict(each.lstrip("+").split("=", 1) for each in before if "=" in each)
    own = [b for a, b in pairwise(before) if a in _CONFIG_DIRS]
    own += [each.split("=", 1)[1] for each in before if each.startswith("--config-dir=")]
    return Composition(config, chosen, [*map(expanded, own), CONF_DIR]), chosen


def _values(made: Composition, key: str, chosen: Mapping[str, str]) -> list[str]:
    if key in made.groups:
        return made.options(key)
    if (place := _PLACES.get(key)) in made.values:
        return _names(key, _folder(place, made, chosen))
    default = made.values.get(key)
    if isinstance(default, bool):
        return ["false", "true"]
    return [str(default)] if isinstance(default, int | float) else []


def _folder(option: str, made: Composition, chosen: Mapping[str, str]) -> Path:
    return expanded(chosen.get(option) or str(made.values[option]))


def _attributes(folder: Path) -> set[str]:
    """Return what images can be filtered by in the collections of a folder."""
    from pyarrow import ipc

    from clipvec.index import filters

    found = set(filters.BUILT_IN)
    for collection in folder.glob("*--*/"):
        with suppress(OSError, ValueError), RowsPaths(collection).columns.open("rb") as file:
            # an attribute begins with a letter; what the index itself needs, with _
            found.update(name for name in ipc.open_file(file).schema.names if name[0] != "_")
    return found - {"id"}


def _names(key: str, folder: Path) -> list[str]:
    """Return the datasets that have stores in a folder, or the collections and aliases there."""
    if key == "dataset.name":
        return sorted({path.parent.parent.name for path in folder.glob(f"*/*/{STORE_JSON}")})
    collections = [whole_collection(path.name) for path in folder.glob("*--*/")]
    return [*collections, *IndexPaths(str(folder)).aliases()]
