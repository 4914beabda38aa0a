"""YAML holds defaults; only the dataclasses document options."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clipvec.config.commands import SCHEMAS
from clipvec.config.options import ANY_NAME, sections
from clipvec.paths import CONF_DIR

FILES = sorted(path.relative_to(CONF_DIR) for path in CONF_DIR.rglob("*.yaml"))
EXPLAINED = {
    option.key for schema in SCHEMAS.values() for s in sections(schema) for option in s.options
}


def explained(file: Path) -> list[tuple[int, str]]:
    """Return the comments on options, by line; those at the head of a file are the file's own."""
    found, indents = [], [(-1, "" if len(file.parts) == 1 else file.parts[0])]
    lines = (CONF_DIR / file).read_text(encoding="utf-8").splitlines()
    if lines[:1] == ["# @package _global_"]:
        indents = [(-1, "")]
    comments: list[int] = []
    is_head = True
    for number, line in enumerate(lines):
        if line.lstrip().startswith("#"):
            comments += [] if is_head else [number]
            continue
        is_head = False
        if match := re.match(r"( *)([\w./ -]+):", line):
            while indents[-1][0] >= len(match[1]):
                indents.pop()
            key = ".".join(filter(None, (indents[-1][1], match[2])))
            indents.append((len(match[1]), key))
            named = re.sub(r"^(\w+)\.[^.]+\.", rf"\1.{ANY_NAME}.", key)
            if {key, named} & EXPLAINED:
                found += [(comment, key) for comment in comments]
        comments = []
    return found


@pytest.mark.parametrize("file", FILES, ids=str)
def test_no_option_is_explained_twice(file: Path) -> None:
    assert explained(file) == []
