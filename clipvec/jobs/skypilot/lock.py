"""The versions installed here, so that jobs install the same."""

from __future__ import annotations

import re
import zipfile
from email.parser import HeaderParser
from importlib import metadata
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_OF_TORCH_BUILD = re.compile(r"(nvidia|cuda)-|(pytorch-)?triton")
"""Packages whose versions belong to one build of torch, which each machine chooses for itself."""


def lock(wheel: Path, extras: Iterable[str]) -> list[str]:
    """Return constraints for all requirements of clipvec with some extras, sorted by name.

    ``numpy==2.3.1`` if installed here; the requirement itself, such as ``onnx>=1.20``, if not
    installed, or not installed from an index.
    """
    lines: dict[str, str] = {}
    todo = [(text, frozenset(extras)) for text in _requirements(wheel)]
    seen = set(todo)
    while todo:
        text, wanted = todo.pop()
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if not _applies(requirement, wanted) or _OF_TORCH_BUILD.match(name) or name == "clipvec":
            continue
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            lines.setdefault(name, f"{name}{requirement.specifier}")
            continue
        if found.read_text("direct_url.json") is None:
            lines[name] = f"{name}=={Version(found.version).public}"
        else:
            lines.setdefault(name, f"{name}{requirement.specifier}")
        below = {(each, frozenset(requirement.extras)) for each in found.requires or ()} - seen
        seen |= below
        todo += below
    return [lines[name] for name in sorted(lines)]


def _requirements(wheel: Path) -> Iterator[str]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        text = archive.read(name).decode()
    yield from HeaderParser().parsestr(text).get_all("Requires-Dist", [])


def _applies(requirement: Requirement, extras: Iterable[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))
