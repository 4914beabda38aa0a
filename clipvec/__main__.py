"""``clipvec``: lists the commands, or runs one of them."""

from __future__ import annotations

import ast
import sys
from importlib import import_module

from clipvec.cli import commands, fail, plain, print_version
from clipvec.errors import ConfigError


def main() -> None:
    """Run the command that the first argument names, or list the commands."""
    name, arguments = (sys.argv[1:2] or ["--help"])[0], sys.argv[2:]
    if name in {"--help", "-h"}:
        print(listing())
    elif name == "--version":
        print_version()
    elif name in commands():
        sys.argv = [f"clipvec-{name}", *arguments]
        import_module(f"clipvec.{name}.__main__").main()
    else:
        fail(ConfigError(refusal(name)))


def listing() -> str:
    """Return the commands with their descriptions, taken from their modules' docstrings."""
    lines = ["clipvec COMMAND ..., the same as python -m clipvec COMMAND ...", ""]
    for name, file in commands().items():
        about = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        lines.append(f"  {name:<11}{plain(about).splitlines()[0].partition(': ')[2]}")
    lines += ["", "--help behind a command explains it; bentoml serve starts the query service."]
    return "\n".join(lines)


def refusal(name: str) -> str:
    """Return the message for an unknown command."""
    from clipvec import config

    known = commands()
    meant = (
        config.did_you_mean(name, [*known, "--help", "--version"])
        or f"; there are {', '.join(known)}"
    )
    return f"no such command: {name}{meant}"


if __name__ == "__main__":
    main()
