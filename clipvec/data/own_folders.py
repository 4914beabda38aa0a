"""Recognises the folders that clipvec itself writes, by what is in them.

Whoever works in the folder of the photos has them beside the photos, with figures of reports and
images of tracked runs that are nobody's photos.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from clipvec import paths

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_REPORT = paths.ReportPaths(Path())
_SWEEP = paths.SweepPaths(Path())
_WORK = paths.WorkPaths(Path())
_KINDS = (
    {paths.STORE_JSON, paths.GENERATIONS},
    {_REPORT.data.name, _REPORT.schema.name},
    {_SWEEP.sweep.name, _SWEEP.ids.name},
    {_WORK.lock.name, _WORK.workload.name},
)
"""Names of which a store, a report, a sweep and the work of recall have both, and nobody else."""
_NAMES = frozenset[str]().union(*_KINDS)
_TRACKED = ".wandb"
_RUN, _LOG = ".hydra", ".log"
_LOCK, _ALIAS, _COLLECTION = ".lock", ".alias.json", paths.collection_name("", "")
_OTHER = ""


def mark(name: str) -> str:
    """Return the name of a file or folder if it may tell whose folder it is in, or else nothing."""
    told = name in _NAMES or name == _RUN or _COLLECTION in name
    return name if told or name.endswith((_TRACKED, _LOG, _LOCK, _ALIAS)) else _OTHER


def is_own(marks: Collection[str]) -> bool:
    """Return whether clipvec wrote a folder, by the `mark` of everything in it.

    A tracked run has wandb's file. The folder of a command's run has logs alone beside what Hydra
    writes, and that of indexes has nothing but them, their locks and aliases: with anything else in
    it, it may be somebody else's.
    """
    if any(kind.issubset(marks) for kind in _KINDS) or any(m.endswith(_TRACKED) for m in marks):
        return True
    if _RUN in marks:
        return all(name == _RUN or name.endswith(_LOG) for name in marks)
    locks = [name for name in marks if name.endswith(_LOCK) and _COLLECTION in name]
    indexes = tuple(name.removesuffix(_LOCK) for name in locks)
    return bool(locks) and all(
        name.endswith((_LOCK, _ALIAS)) or name.startswith(indexes) for name in marks
    )


def own_folders(files: Iterable[str]) -> set[str]:
    """Return the folders that clipvec wrote among those of some files, by relative paths."""
    marks: defaultdict[str, set[str]] = defaultdict(set)
    for file in files:
        folder, _, name = file.rpartition("/")
        while folder:
            marks[folder].add(mark(name))
            folder, _, name = folder.rpartition("/")
    return {folder for folder, found in marks.items() if is_own(found)}
