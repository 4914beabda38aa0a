"""Recognises the folders that clipvec, Hydra and wandb write, by what is in them.

Whoever works in the folder of the photos has them beside the photos, with figures of reports and
images of tracked runs that are nobody's photos. A name alone tells nothing: a class of images may
be called ``lock``, and a report may be written into a folder of photos.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from posixpath import join
from typing import TYPE_CHECKING

from clipvec import paths

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

_REPORT = paths.ReportPaths(Path())
_SWEEP = paths.SweepPaths(Path())
_WORK = paths.WorkPaths(Path())
_WORKLOAD = paths.WorkloadPaths(_WORK.workload)
_KINDS = ({paths.STORE_JSON, f"{paths.GENERATIONS}/"}, {_SWEEP.sweep.name, _SWEEP.ids.name})
"""What a store and a sweep have, and nobody else has both."""
_REPORTS = ((_REPORT.data, _REPORT.schema), (_REPORT.page, _REPORT.markdown))
"""What lies beside the figures of a report of one run, or of several."""
_WORKED = {_WORK.lock.name, f"{_WORK.workload}/"}
_FIGURES, _HYDRA, _HYDRA_FILE = "figures", ".hydra/", ".hydra/config.yaml"
_RUN, _TRACKED = re.compile(r"(?:offline-)?run-.*?([^-]+)"), ".wandb"
_LOG, _LOCK, _ALIAS, _COLLECTION = ".log", ".lock", ".alias.json", paths.collection_name("", "")
_INDEX = (paths.CHROMA_DATABASE, paths.FaissPaths(Path()).manifest.name)
_NAMES = frozenset({*_WORKED, _HYDRA}.union(*_KINDS))
_OTHER = ""


def mark(name: str, is_folder: bool) -> str:
    """Return the name of what is in a folder, or nothing if it does not tell whose the folder is.

    That of a folder ends in ``/``.
    """
    if is_folder:
        return f"{name}/" if f"{name}/" in _NAMES or _COLLECTION in name else _OTHER
    told = name in _NAMES or name.endswith((_TRACKED, _LOG, _LOCK, _ALIAS))
    return name if told else _OTHER


def is_own(folder: str, marks: Collection[str], is_file: Callable[[str], bool]) -> bool:
    """Return whether clipvec, Hydra or wandb wrote a folder.

    A command's run has logs alone beside what Hydra writes, and a folder of indexes has nothing but
    them, their locks and aliases: with anything else in it, it may be somebody else's.

    Args:
        folder: relative to the folder of the images.
        marks: the `mark` of everything in it.
        is_file: whether a file is there, by its path relative to the folder of the images.
    """
    place, _, name = folder.rpartition("/")
    if name == _FIGURES and place:
        return any(all(is_file(join(place, file.name)) for file in kind) for kind in _REPORTS)
    if run := _RUN.fullmatch(name):
        return f"run-{run[1]}{_TRACKED}" in marks
    if any(kind.issubset(marks) for kind in _KINDS):
        return True
    if _WORKED.issubset(marks):
        return is_file(join(folder, _WORKLOAD.filters.as_posix()))
    if _HYDRA in marks:
        logs = all(each == _HYDRA or each.endswith(_LOG) for each in marks)
        return logs and is_file(join(folder, _HYDRA_FILE))
    indexes = {each for each in marks if each.endswith("/")}
    return bool(indexes) and all(
        _is_index(folder, each, marks, is_file)
        if each in indexes
        else each.endswith((_LOCK, _ALIAS))
        for each in marks
    )


def _is_index(
    folder: str, name: str, marks: Collection[str], is_file: Callable[[str], bool]
) -> bool:
    locked = f"{name.rstrip('/')}{_LOCK}" in marks
    return locked and any(is_file(join(folder, name, file)) for file in _INDEX)


def own_folders(files: Collection[str]) -> set[str]:
    """Return the folders that clipvec, Hydra and wandb wrote, by the relative paths of all files.

    Args:
        files: tells quickly whether one is in it.
    """
    marks: defaultdict[str, set[str]] = defaultdict(set)
    for file in files:
        name, is_folder = file, False
        for folder in _parents(file):
            marks[folder].add(mark(name.rpartition("/")[2], is_folder))
            name, is_folder = folder, True
    return {folder for folder, found in marks.items() if is_own(folder, found, files.__contains__)}


def outermost(file: str, own: Collection[str]) -> str:
    """Return the outermost of some folders that a file is in, or nothing."""
    return next((folder for folder in [*_parents(file)][::-1] if folder in own), "")


def _parents(file: str) -> Iterator[str]:
    """Yield the folders that a file is in, the innermost first."""
    folder = file.rpartition("/")[0]
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]
