"""The commands, and what each says of itself."""

from __future__ import annotations

from pathlib import Path


def commands() -> dict[str, Path]:
    """Return the file of each command's entry point, by the command's name, in order."""
    found = Path(__file__).parents[1].glob("*/__main__.py")
    return {path.parent.name: path for path in sorted(found)}


def plain(docstring: str) -> str:
    """Return a docstring as text for a terminal."""
    return docstring.strip().replace("``", "")


def print_version() -> None:
    """Print the version of clipvec."""
    from clipvec.version import version

    print(f"clipvec {version()}")
