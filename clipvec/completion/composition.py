"""The groups and keys of a command, read from its YAML.

By the few rules of Hydra's that ``conf/`` uses: importing Hydra takes longer than a key press may.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it was built
_GLOBAL = "# @package _global_"


class Composition:
    """What can be set on the command line of a command, given what was chosen before."""

    def __init__(self, name: str, chosen: Mapping[str, str], folders: Sequence[Path]) -> None:
        """Read a command's configuration.

        Args:
            name: of the configuration: ``conf/<name>.yaml``.
            chosen: options that were chosen from groups.
            folders: with the YAML files; the first that has one counts.
        """
        self.values: dict[str, Any] = {}
        """Each key, such as ``index.path``, with a value that it has by default."""
        self.groups: dict[str, str | None] = {}
        """Each group with its default."""
        self._chosen: dict[str, str] = dict(chosen)
        self._folders = folders
        self._begun: set[tuple[str, str]] = set()
        self._read(name, "")
        # The last group first: an experiment chooses a launcher, and a launcher the cloud.
        # What it chooses may add groups.
        done: set[str] = set()
        while group := next((each for each in reversed(self.groups) if each not in done), None):
            done.add(group)
            option = self._chosen.get(group, self.groups[group])
            if option is not None:
                folder, _, package = group.partition("@")
                self._read(f"{folder}/{option}", _prefix(package or folder))
        if self._chosen.get("hydra/sweeper") == "shards":
            self.values["hydra.sweeper.shards_per_job"] = 1

    def options(self, group: str) -> list[str]:
        """Return the names that a group offers."""
        group = group.partition("@")[0]
        files = (path for folder in self._folders for path in (folder / group).glob("*.yaml"))
        return sorted({path.stem for path in files})

    def _read(self, file: str, prefix: str) -> None:
        """Take up a file without its suffix; its keys begin with ``prefix``."""
        if (file, prefix) in self._begun:  # it includes itself
            return
        self._begun.add((file, prefix))
        text = self._text(file)
        if text.startswith(_GLOBAL):
            prefix = ""
        values = _mapping(text)
        for entry in values.pop("defaults", None) or ():
            if isinstance(entry, dict) and entry:
                self._choose(*entry.popitem())
            elif isinstance(entry, str) and entry != "_self_":
                name, _, package = entry.partition("@")
                inner = f"{prefix}{_prefix(package)}" if package else prefix
                self._read(str(PurePosixPath(file).parent / name), inner)
        values.pop("hydra", None)
        self.values.update(_flat(values, prefix))

    def _text(self, file: str) -> str:
        found = (folder / f"{file}.yaml" for folder in self._folders)
        try:
            return next((path.read_text(encoding="utf-8") for path in found if path.is_file()), "")
        except (OSError, ValueError):
            return ""

    def _choose(self, entry: str, option: Any) -> None:
        """Take up an entry of a defaults list: ``model: sample``, ``override /cloud: any``."""
        keyword, _, group = str(entry).rpartition(" ")
        group = group.removeprefix("/")
        if keyword != "override":
            self.groups[group] = option
        elif option is not None:
            self._chosen.setdefault(group, option)


def _prefix(package: str) -> str:
    """Return what the keys of a package begin with."""
    own = package.removeprefix("_global_").removeprefix("_here_").removeprefix(".")
    return f"{own.replace('/', '.')}." if own else ""


def _mapping(text: str) -> dict[str, Any]:
    """Return what YAML holds; nothing of what Hydra would refuse."""
    try:
        values = yaml.load(text, _LOADER)
    except (ValueError, RecursionError, yaml.YAMLError):
        return {}
    return values if isinstance(values, dict) else {}


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield each key with its value; an empty mapping is a value."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
