"""Runs the benchmarks that docs/performance.md shows, and writes their results into it.

    python -m benchmarks.all [embed_peers ...]

The page has a line `<!-- python -m benchmarks.NAME ... -->` for each: the command, after which its
results follow up to `<!-- end -->`. Names choose among them.
"""

from __future__ import annotations

import argparse
import datetime
import re
import shlex
import subprocess
import sys
from pathlib import Path

from benchmarks.commits import ROOT
from benchmarks.result import LINE, machine
from clipvec.files import write_atomically

PAGE = ROOT / "docs/performance.md"
_BLOCK = re.compile(r"<!-- python -m benchmarks\.((\w+).*?) -->\n(.*?)<!-- end -->", re.DOTALL)


def main() -> None:
    """Run what is chosen; each result is written at once."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="name")
    parser.add_argument("--page", type=Path, default=PAGE)
    args = parser.parse_args()
    commands = {name: command for command, name, _ in _BLOCK.findall(args.page.read_text())}
    if unknown := sorted(set(args.names) - set(commands)):
        sys.exit(f"{', '.join(unknown)}: not on {args.page}; allowed are {', '.join(commands)}")
    for name, command in commands.items():
        if not args.names or name in args.names:
            update(args.page, command, run(command))


def run(command: str) -> str:
    """Return what a benchmark prints."""
    name, *options = shlex.split(command)
    words = [sys.executable, "-m", f"benchmarks.{name}", *options]
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    print(done.stdout, end="", flush=True)
    return done.stdout


def update(page: Path, command: str, output: str) -> None:
    """Replace the results of a command on the page."""

    def block(found: re.Match[str]) -> str:
        if found[1] != command:
            return found[0]
        return f"<!-- python -m benchmarks.{command} -->\n{table(command, output)}<!-- end -->"

    write_atomically(page, _BLOCK.sub(block, page.read_text(encoding="utf-8")).encode())


def table(command: str, output: str) -> str:
    """Return the results that a benchmark has printed as Markdown.

    Raises:
        ValueError: it has printed none.
    """
    rows = LINE.findall(output)
    if not rows:
        raise ValueError(f"benchmarks.{command} printed no result")
    lines = [f"| {name} | {ratio} | {detail} |\n" for name, ratio, detail, _ in rows]
    loads = [float(load) for *_, load in rows]
    load = f"{min(loads):.0f}" + (f" to {max(loads):.0f}" if max(loads) - min(loads) > 1 else "")
    about = f"{datetime.date.today():%-d %B %Y}, {machine()}, load {load}"
    head = "| | ratio | |\n| --- | --- | --- |\n"
    return f"\n`python -m benchmarks.{command}` ({about}):\n\n{head}{''.join(lines)}\n"


if __name__ == "__main__":
    main()
