"""Lists the files below a folder, leaving some out."""

from __future__ import annotations

import os
import re
from fnmatch import translate
from pathlib import Path
from posixpath import join
from typing import TYPE_CHECKING, Any

from clipvec.data import files
from clipvec.data.own_folders import is_own, mark, own_folders
from clipvec.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from clipvec.data.passed_over import PassedOver

UNREADABLE = "folders that cannot be read"


def find(
    root: str, exclude: Sequence[str], follow_links: bool, passed_over: PassedOver
) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
    """Yield the files below ``root``, relative to it, in no particular order.

    With each comes what the listing tells of it, as fsspec has it; None on a disk. Those in
    folders that clipvec wrote are left out uncounted; ``root`` itself is what was asked for.

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
    listed = fs.find(folder, detail=True).items()
    names = [path.removeprefix(folder).lstrip("/") for path, _ in listed]
    own = tuple(f"{each}/" for each in own_folders(names))
    for name, (_, info) in zip(names, listed, strict=True):
        if name.startswith(own):
            continue
        if any(map(excluded, name.split("/"))):
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
    while folders or links:  # links last, so that a linked folder keeps its own name
        folder = folders.pop() if folders else links.pop()
        if follow_links:
            status = Path(root, folder).stat()
            if (status.st_dev, status.st_ino) in entered:
                passed_over.add("links to folders that were entered already", folder)
                continue
            entered.add((status.st_dev, status.st_ino))
        below_folders, below_links, below_files, marks = [], [], [], set()
        left_out: list[tuple[str, str]] = []
        start = f"{folder}/" if folder else ""
        for entry in _entries(join(root, folder), folder, passed_over):
            name = start + entry.name
            marks.add(mark(entry.name))
            if excluded(entry.name):
                kind = "folders" if _is_folder(entry) else "files"
                left_out.append((f"{kind} that dataset.exclude names", name))
            elif entry.is_dir(follow_symlinks=False):
                below_folders.append(name)
            elif not _is_folder(entry):
                below_files.append(name)
            elif follow_links:
                below_links.append(name)
            else:
                left_out.append(("links to folders that dataset.follow_links=true enters", name))
        if folder and is_own(marks):
            continue
        for reason, name in left_out:
            passed_over.add(reason, name)
        yield from below_files
        folders += sorted(below_folders, reverse=True)
        links = sorted(links + below_links, reverse=True)


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
