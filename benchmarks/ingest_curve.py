"""How loading into Chroma slows down as the collection grows.

    python -m benchmarks.ingest_curve DIR [--rows 1000000] [--dim 512]

Generates a synthetic store of ten shards in DIR (kept, as is its index) and loads each shard into
the same collection once it is written. Prints per shard: rows so far, rows/s of this load, rows per
second of CPU time (which other load on the machine does not affect), and the peak memory of the
loading process. Each load reopens the collection, as in real use.
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
    """A finished command."""

    stdout: str
    peak: int
    """Peak resident memory, in bytes. It starts at that of this process, a few MB."""
    cpu: float
    """CPU seconds of all its threads, including startup and verification."""


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
        stdout = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"clipvec.{name} failed")
    return Done(stdout, usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime)


def main() -> None:
    """Print the curve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=512)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    size = [f"dataset.rows={args.rows}", f"dataset.dim={args.dim}"]
    print(f"load {os.getloadavg()[0]:.1f}; {args.rows:,} rows x {args.dim}")
    before = 0
    for shard in range(SHARDS):
        command("embed", *size, f"shards={shard}", cwd=args.folder)
        done = command("index", *size, "allow_partial=true", cwd=args.folder)
        rows = int(re.search(r": ([\d,]+) rows;", done.stdout)[1].replace(",", ""))  # type: ignore[index]
        rate = re.search(r"; ([\d,]+) rows/s", done.stdout)
        if rate:  # else an earlier run loaded it
            print(
                f"{rows:10,} rows: {rate[1]:>6} rows/s, "
                f"{(rows - before) / done.cpu:6,.0f} rows per CPU second, "
                f"peak {done.peak / 1e9:.2f} GB",
                flush=True,
            )
        before = rows


if __name__ == "__main__":
    main()
