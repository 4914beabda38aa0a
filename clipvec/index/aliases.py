"""Aliases: names that stand for a collection, until they are given to another one.

<index.path>/live.alias.json   what ``live`` stands for, and what it has stood for

Whoever opens an index by its collection's name opens it by an alias too.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from clipvec import files, paths
from clipvec.errors import CollectionError, ConfigError
from clipvec.index.lock import locked

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from clipvec.config import IndexConfig

_SCHEMA = 1
_NAME = re.compile(r"\w+([.-]\w+)*", re.ASCII)
"""Never that of a collection, which has two dashes."""


@dataclass(frozen=True)
class Switch:
    """When an alias was given to a collection."""

    time: str
    """UTC, ISO 8601."""
    collection: str
    """``<dataset>--<model>``."""
    model: dict[str, str]
    """Name, arch and pretrained of the encoder that made it."""


def check(config: IndexConfig, alias: str) -> None:
    """Refuse what can be no alias of a collection.

    Raises:
        ConfigError: it may be the name of a collection, or a server holds the collections.
    """
    if not _NAME.fullmatch(alias):
        raise ConfigError(
            f"alias={alias!r}: an alias is letters and digits, with single dashes, underscores or "
            "dots between them, so that no collection has its name; such as alias=live"
        )
    if config.folder is None:
        raise ConfigError(
            f"alias={alias}: aliases lie in the folder of the indexes, and {config.location()} is "
            "a server; use index=chroma or index=faiss, or leave alias out"
        )


def history(config: IndexConfig, alias: str) -> list[Switch]:
    """Return what an alias has stood for, what it stands for now last; none if there is no such.

    Raises:
        CollectionError: its file is damaged, or cannot be read.
        SchemaError: another version of clipvec wrote it.
    """
    file = None if config.folder is None else paths.IndexPaths(config.folder).alias(alias)
    if file is None or not _NAME.fullmatch(alias):
        return []
    mend = "remove it, and give the alias again: clipvec index alias=..."
    try:
        values = files.from_json(files.read_regular(file), _SCHEMA, file, mend, sealed=True)
        return [Switch(**each) for each in values["history"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CollectionError(f"the alias {file} cannot be read ({error}); {mend}") from error


def target(config: IndexConfig, alias: str) -> str | None:
    """Return the collection that an alias stands for; None: there is no such alias."""
    known = history(config, alias)
    return known[-1].collection if known else None


def known(config: IndexConfig) -> list[str]:
    """Return all aliases."""
    return [] if config.folder is None else paths.IndexPaths(config.folder).aliases()


def switch(config: IndexConfig, alias: str, collection: str, model: Mapping[str, str]) -> str:
    """Let an alias stand for a collection from now on, and return what it stood for before.

    Returns:
        Empty: it is a new one, or stood for the same.

    Raises:
        ConfigError: it can be no alias.
        CollectionError: its file cannot be read or written.
    """
    check(config, alias)
    assert config.folder is not None
    folder = paths.IndexPaths(config.folder)
    try:
        with locked(str(folder.alias(alias)), folder.lock(alias)):
            return _switch(config, alias, collection, model, folder.alias(alias))
    except OSError as error:
        raise CollectionError(
            f"{folder.alias(alias)} cannot be written ({error}); the alias stands for what it did"
        ) from error


def _switch(
    config: IndexConfig, alias: str, collection: str, model: Mapping[str, str], file: Path
) -> str:
    past = history(config, alias)
    before = past[-1].collection if past else ""
    if before == collection:
        return ""
    now = Switch(datetime.now(UTC).isoformat(timespec="seconds"), collection, dict(model))
    values = {"history": [asdict(each) for each in (*past, now)]}
    files.write_atomically(file, files.to_json(values, _SCHEMA, sealed=True))
    return before
