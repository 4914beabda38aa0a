"""Lists the files below a folder, leaving some out."""

from __future__ import annotations

import os
import re
from fnmatch import translate
from functools import partial
from pathlib import Path
from posixpath import join
from typing import TYPE_CHECKING, Any

from clipvec.data import files
from clipvec.data.own_folders import is_own, mark, outermost, own_folders
from clipvec.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from clipvec.data.passed_over import PassedOver

UNREADABLE = "folders that cannot be read"
_OWN = "folders that clipvec, Hydra or wandb wrote"


def find(
    root: str, exclude: Sequence[str], follow_links: bool, passed_over: PassedOver
) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
    """Yield the files below ``root``, relative to it, in no particular order.

    With each comes what the listing tells of it, as fsspec has it; None on a disk. Folders that
    clipvec wrote are left out; ``root`` itself is what was asked for.

    Args:
        root: a folder, local or a URL.
        exclude: patterns of folder and file names to leave out, case-insensitive.
        follow_links: follow links to folders; each folder is entered once.
        passed_over: counts what is left out.

    Raises:
        DatasetError: it is not a folder, or a local folder cannot be listed.
    """
    fs, folder = files.filesystem(root)
    if not fs.isdir(folder):
        raise DatasetError(f"dataset.path={root!r} is not a folder; give the images' folder")
    excluded = _matcher(exclude)
    if files.is_local(fs):
        for name in _walk(folder, excluded, follow_links, passed_over):
            yield name, None
        return
    fs.invalidate_cache()  # of listings, which this process may have made long ago
    listed = fs.find(folder, detail=True)
    found = {path.removeprefix(folder).lstrip("/"): info for path, info in listed.items()}
    own, left_out = own_folders(found), set[str]()
    for name, info in found.items():
        if place := outermost(name, own):
            if place not in left_out:
                left_out.add(place)
                passed_over.add(_OWN, place)
        elif any(map(excluded, name.split("/"))):
            passed_over.add("files that dataset.exclude names", name)
        else:
            yield name, info


def _matcher(patterns: Sequence[str]) -> Callable[[str], object]:
    return re.compile("|".join(map(translate, patterns)) or r"(?!)", re.IGNORECASE).match


def _walk(
    root: str, excluded: Callable[[str], object], follow_links: bool, passed_over: PassedOver
) -> Iterator[str]:
    # os.walk does not distinguish links to folders, and fsspec requests the size of every file
    folders = [""]
    links: list[str] = []
    entered: set[tuple[int, int]] = set()
    own: set[tuple[int, int]] = set()
    while folders or links:  # links last, so that a linked folder keeps its own name
        is_link = not folders
        folder = links.pop() if is_link else folders.pop()
        if is_link or follow_links:
            place = _place(root, folder)
            if is_link and place in own:
                continue
            if not follow_links:
                passed_over.add("links to folders that dataset.follow_links=true enters", folder)
                continue
            if place in entered:
                passed_over.add("links to folders that were entered already", folder)
                continue
            entered.add(place)
        below_folders, below_links, below_files, marks = [], [], [], set()
        left_out: list[tuple[str, str]] = []
        start = f"{folder}/" if folder else ""
        for entry in _entries(join(root, folder), folder, passed_over):
            name, is_folder = start + entry.name, _is_folder(entry)
            marks.add(mark(entry.name, is_folder))
            if excluded(entry.name):
                kind = "folders" if is_folder else "files"
                left_out.append((f"{kind} that dataset.exclude names", name))
            elif not is_folder:
                below_files.append(name)
            elif entry.is_symlink():
                below_links.append(name)
            else:
                below_folders.append(name)
        if folder and is_own(folder, marks, partial(_is_file, root)):
            own.add(_place(root, folder))
            passed_over.add(_OWN, folder)
            continue
        for reason, name in left_out:
            passed_over.add(reason, name)
        yield from below_files
        folders += sorted(below_folders, reverse=True)
        links = sorted(links + below_links, reverse=True)


def _place(root: str, folder: str) -> tuple[int, int]:
    """Return what tells a folder from all others, however it is reached."""
    status = Path(root, folder).stat()
    return status.st_dev, status.st_ino


def _is_file(root: str, name: str) -> bool:
    return os.path.isfile(join(root, name))  # noqa: PTH113 # that of Path raises


def _entries(path: str, name: str, passed_over: PassedOver) -> Iterator[os.DirEntry[str]]:
    try:
        entries = os.scandir(path)
    except PermissionError:
        if not name:
            raise
        passed_over.add(UNREADABLE, name)
    else:
        with entries:
            yield from entries


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False
