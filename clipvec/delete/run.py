"""Deletes rows, takes a deletion back, or lists the deletions."""

from __future__ import annotations

import contextlib
import shlex
from typing import TYPE_CHECKING

from clipvec.delete import select
from clipvec.errors import ConfigError, one_line
from clipvec.progress import counted
from clipvec.store import Entry, Store, TombstoneFolder, compaction

if TYPE_CHECKING:
    from clipvec.config import DeleteConfig
    from clipvec.store import DeletedRows, Tombstones

_SHOWN = 10
"""Ids that a dry run names."""


def delete(config: DeleteConfig) -> str:
    """Do what is asked for, and return what was done.

    Raises:
        ConfigError: what is asked for is not clear, or is more than is allowed.
        StoreError: there is no store, or it cannot be read or written.
    """
    asked = {name: getattr(config, name) for name in ("ids", "where", "file", "undo")}
    given = [name for name, value in asked.items() if value is not None]
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)} are given; give one of ids, where, file and undo")
    store = Store.open(config.store_url)
    entries = TombstoneFolder(store.folder)
    if not given:
        return _listed(store, store.tombstones)
    if config.undo is not None:
        with contextlib.nullcontext() if config.dry_run else compaction.exclusive(store):
            return _undo(config, store, entries)
    store.tell_unfinished("keep their rows")
    while True:
        chosen, refused = _selected(config, store)
        if refused and not config.dry_run:
            raise ConfigError(f"nothing was deleted: {refused}")
        blocked = _blocked(config, store, chosen)
        parts = select.with_copies(store, chosen, blocked) if blocked else chosen
        if compaction.is_current(store, parts):
            break
        store = store.again()
    entry = Entry.now(config.reason, parts, blocked=blocked)
    if not entry.rows and not entry.blocked:
        return f"{store.url}: no row to delete; nothing was changed"
    rows = f"{counted(entry.rows, 'row')} of {store.url}"
    copies = entry.rows - sum(len(rows.ids) for rows in chosen.values())
    also = f"; {counted(copies, 'row')} of these by another id, with the same bytes"
    forever = (
        (also if copies else "") + "; images with the same bytes are not embedded again"
        if blocked
        else ""
    )
    if config.dry_run:
        instead = f"; this will be refused: {refused}" if refused else ""
        return f"would delete {rows}: {_some(parts)}{forever}{instead}"
    name = entries.add(entry)
    return (
        f"deleted {rows}: {name}{forever}; "
        f"to take it back: {_typed('delete', config)} undo={name}; "
        f"to take the rows out of the index: {_typed('index', config)}"
    )


def _typed(command: str, config: DeleteConfig) -> str:
    """Return a command for the same store, as it is typed."""
    names = f"dataset.name={config.dataset.name}", f"model.name={config.model.name}"
    return shlex.join(["clipvec", command, *names, f"store.root={config.store.root}"])


def _selected(config: DeleteConfig, store: Store) -> tuple[dict[str, DeletedRows], str]:
    """Return the rows that are meant, and why they are too many, or nothing."""
    if config.where is not None:
        texts = [config.where] if isinstance(config.where, str) else config.where
        if not texts:
            raise ConfigError("where=[] names no filter; give one, such as where=width<100")
        return select.by_filter(store, texts, config.max_removed_fraction)
    ids = _asked_ids(config)
    if not ids:
        raise ConfigError("no id is given; nothing was deleted")
    return select.by_ids(store, ids, config.ignore_missing), ""


def _blocked(config: DeleteConfig, store: Store, parts: dict[str, DeletedRows]) -> set[str]:
    """Return the digests of what is not to be embedded again: what was deleted before, too."""
    if not config.forever:
        return set()
    chosen = {id for rows in parts.values() for id in rows.ids}
    return select.digests(store, chosen if config.where is not None else _asked_ids(config))


def _asked_ids(config: DeleteConfig) -> set[str]:
    return _ids(config.ids) if config.file is None else select.read_ids(config.file)


def _ids(given: int | str | list[int | str] | None) -> set[str]:
    listed = given if isinstance(given, list) else [given]
    numbers = [id for id in listed if isinstance(id, int)]
    if numbers and isinstance(given, list):
        raise ConfigError(
            f"ids: {numbers[0]} in the list is a number, and in a list 12_34 is the number 1234; "
            'put each id that looks like one in quotes, such as \'ids=["12_34", "56"]\''
        )
    return set(map(str, listed))


def _undo(config: DeleteConfig, store: Store, entries: TombstoneFolder) -> str:
    name = str(config.undo)
    known = store.tombstones.active
    if name not in known:
        own = [n for n, each in known.items() if each.generation is None and not each.follows]
        raise ConfigError(
            f"undo={name}: no deletion of that name is in force; there are: "
            f"{', '.join(own) or 'none'}"
        )
    if (number := known[name].generation) is not None:
        raise ConfigError(
            f"undo={name}: these rows were replaced by generation {number}, or their files are "
            "gone; put the files back and embed again"
        )
    follow = (entry for entry in known.values() if entry.follows == name)
    if removed := sum(entry.removed for entry in (known[name], *follow)):
        raise ConfigError(
            f"undo={name}: {counted(removed, 'row')} of it are in no file any more: "
            "clipvec compact took them out, and embed does not take them up again; to have them, "
            "embed into another store.root"
        )
    rows = f"{counted(known[name].rows, 'row')} of {store.url}"
    if config.dry_run:
        return f"would take the deletion of {rows} back: {_some(known[name].parts)}"
    entries.add(Entry.now(config.reason, {}, undoes=name))
    return f"took the deletion of {rows} back; clipvec index loads them again"


def _listed(store: Store, tombstones: Tombstones) -> str:
    """Return a line for each deletion."""
    lines = [f"deleted from {store.url}: {counted(len(tombstones), 'row')}"]
    for name, entry in tombstones.entries.items():
        what = f"takes {entry.undoes} back" if entry.undoes else counted(entry.rows, "row")
        what += " forever" if entry.blocked else ""
        what += f", as by {entry.follows}" if entry.follows else ""
        undone = "" if entry.undoes or name in tombstones.active else ", taken back"
        reason = f": {one_line(entry.reason)}" if entry.reason else ""
        lines.append(f"{name}  {what}{undone}{reason}")
    return "\n".join(lines)


def _some(parts: dict[str, DeletedRows]) -> str:
    """Return the first ids, and how many there are beside them."""
    ids = [id for rows in parts.values() for id in rows.ids]
    more = f" and {len(ids) - _SHOWN:,} more" if len(ids) > _SHOWN else ""
    return one_line(", ".join(ids[:_SHOWN])) + more
