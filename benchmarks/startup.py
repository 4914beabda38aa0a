"""How long commands take for --help and --cfg job, with warm caches.

python -m benchmarks.startup [--rounds 5]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "embed": ("--help", "--cfg job"),
    "index": ("--help", "--cfg job"),
    "search": ("--help",),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    for command, flags in COMMANDS.items():
        for flag in flags:
            line = [sys.executable, "-m", f"clipvec.{command}", *flag.split()]
            times = [seconds(line) for _ in range(options.rounds + 1)][1:]
            print(f"clipvec.{command} {flag}: {statistics.median(times):.2f} s")
    print(f"load average {os.getloadavg()[0]:.1f}")


def seconds(line: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
