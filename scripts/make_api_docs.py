"""Write docs/api.md from the docstrings of clipvec's public API.

python scripts/make_api_docs.py
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import griffe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "api.md"
HEAD = """\
# The library

What `import clipvec` offers; [python.md](python.md) shows it in use. This page is made from the
docstrings by `scripts/make_api_docs.py`.
"""
SECTIONS = {"parameters": "Arguments", "raises": "Raises"}


def page() -> str:
    """Return the text of docs/api.md."""
    package = griffe.load("clipvec", search_paths=[str(ROOT)], docstring_parser="google")
    assert isinstance(package, griffe.Module)
    assert isinstance(package.exports, list)
    names = [str(name) for name in package.exports if not str(name).startswith("_")]
    found = [package[name].final_target for name in names]
    functions = [each for each in found if each.is_function]
    classes = [each for each in found if each.is_class]
    body = [line for each in functions for line in function(each, "##")]
    body += [line for each in classes for line in class_(each)]
    errors = str(package["errors"].docstring.value).split("\n\n")
    tree, rest = errors[1], errors[2:]
    return "\n".join([HEAD, *body, "## Errors", "", tree, "", *rest]).rstrip() + "\n"


def function(one: griffe.Function, head: str) -> Iterator[str]:
    """Yield the lines of a function or a method."""
    result = f" → `{one.returns}`" if one.returns and str(one.returns) != "None" else ""
    yield f"{head} `{one.name}({', '.join(arguments(one.parameters))})`{result}"
    yield from docstring(one)


def arguments(parameters: Iterable[griffe.Parameter]) -> Iterator[str]:
    """Yield the arguments of a function as they appear in its signature."""
    stars = {"variadic positional": "*", "variadic keyword": "**"}
    keyword_only = False
    for each in parameters:
        kind = each.kind.value if each.kind else ""
        if each.name != "self":
            if kind == "keyword-only" and not keyword_only:
                keyword_only = True
                yield "*"
            default = "" if each.default is None or kind in stars else f"={each.default}"
            yield f"{stars.get(kind, '')}{each.name}{default}"


def class_(one: griffe.Class) -> Iterator[str]:
    """Yield the lines of a class: its attributes as a table, then its methods."""
    yield f"## `{one.name}`"
    yield from docstring(one)
    members = {**one.inherited_members, **one.members}
    shown = [each for name, each in members.items() if not name.startswith("_") and each.docstring]
    values = [each for each in members.values() if each.is_attribute and each.name[0] != "_"]
    if values:
        yield "| attribute | type | |\n| --- | --- | --- |"
        for each in values:
            kind = str(each.annotation or "").replace("|", "\\|")
            text = markdown(str(each.docstring.value)) if each.docstring else ""
            yield f"| `{each.name}` | {f'`{kind}`' if kind else ''} | {' '.join(text.split())} |"
        yield ""
    if "__len__" in one.members:
        yield f"`len()`: {str(one.members['__len__'].docstring.value).removeprefix('Return ')}\n"
    for each in shown:
        if each.is_function and each.name not in {"from_json", "to_json"}:
            yield from function(each, "###")


def docstring(one: griffe.Object) -> Iterator[str]:
    """Yield the lines of a docstring."""
    yield ""
    for section in one.docstring.parsed if one.docstring else []:
        if section.kind.value == "text":
            yield markdown(section.value)
            yield ""
        elif section.kind.value in SECTIONS:
            yield f"{SECTIONS[section.kind.value]}\n"
            for each in section.value:
                name = getattr(each, "name", None) or each.annotation
                yield f"- `{name}`: {' '.join(markdown(each.description).split())}"
            yield ""


def markdown(text: str) -> str:
    """Return a docstring's text, whose code is in double backquotes, as Markdown."""
    return re.sub(r"``([^`]+)``", r"`\1`", text)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
