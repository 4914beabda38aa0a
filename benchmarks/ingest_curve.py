"""How the loading of Chroma slows down as the collection grows.

    python -m benchmarks.ingest_curve DIR [--rows 1000000] [--dim 512]

Draws a synthetic store in DIR (kept, as is its index) shard by shard, ten of them, and loads each
into the same collection as it comes. A line for each: rows so far, rows/s of this load, rows a
second of processor time (which other work on the machine does not slow down), and the most memory
of the process that loaded it. Each load opens the collection anew, as a real one does.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SHARDS = 10


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    said: str
    peak: int
    """Most resident memory, in bytes. It begins with that of this process, a few MB."""
    processor: float
    """Seconds of all its threads, start and verification included."""


def command(name: str, *arguments: str, cwd: Path) -> Done:
    """Run a command."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"clipvec.{name}", "experiment=synthetic", *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"clipvec.{name} failed")
    return Done(said, usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime)


def main() -> None:
    """Print the curve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=512)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    size = [f"dataset.rows={given.rows}", f"dataset.dim={given.dim}"]
    print(f"load {os.getloadavg()[0]:.1f}; {given.rows:,} rows x {given.dim}")
    before = 0
    for shard in range(SHARDS):
        command("embed", *size, f"shards={shard}", cwd=given.folder)
        done = command("index", *size, "allow_partial=true", cwd=given.folder)
        rows = int(re.search(r": ([\d,]+) rows;", done.said)[1].replace(",", ""))  # type: ignore[index]
        rate = re.search(r"; ([\d,]+) rows/s", done.said)
        if rate:  # else an earlier run loaded it
            print(
                f"{rows:10,} rows: {rate[1]:>6} rows/s, "
                f"{(rows - before) / done.processor:6,.0f} rows/s of a processor, "
                f"peak {done.peak / 1e9:.2f} GB",
                flush=True,
            )
        before = rows


if __name__ == "__main__":
    main()
