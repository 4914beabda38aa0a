"""How the loading of Chroma slows down as the collection grows.

    python -m benchmarks.ingest_curve DIR [--rows 1000000] [--dim 512]

Draws a synthetic store in DIR (kept, as is its index) shard by shard, ten of them, and loads each
into the same collection as it comes. A line for each: rows so far, rows/s of this load, and the
most memory of the process that loaded it. Each load opens the collection anew, as a real one does.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

SHARDS = 10


def command(name: str, *arguments: str, cwd: Path) -> tuple[str, int]:
    """Return what a command printed, and its peak resident memory in bytes."""
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
    return said, usage.ru_maxrss * 1024


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
    for shard in range(SHARDS):
        command("embed", *size, f"shards={shard}", cwd=given.folder)
        said, peak = command("index", *size, "allow_partial=true", cwd=given.folder)
        rows, rate = re.search(r": ([\d,]+) rows;.*; ([\d,]+) rows/s", said, re.DOTALL).groups()  # type: ignore[union-attr]
        print(f"{rows:>10} rows: {rate:>6} rows/s, peak {peak / 1e9:.2f} GB", flush=True)


if __name__ == "__main__":
    main()
