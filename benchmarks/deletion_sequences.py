"""Random sequences of delete, undo, embed again, index and interrupted index, each checked in full.

    python -m benchmarks.deletion_sequences [--sequences 200] [--first 0]

Prints a line for each sequence after which store or index differs from what it should be.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import traceback
from pathlib import Path

from tests.index.test_random import run


def main() -> None:
    """Run the sequences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sequences", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    given = parser.parse_args()
    logging.disable()
    failed = 0
    for seed in range(given.first, given.first + given.sequences):
        with tempfile.TemporaryDirectory() as folder:
            try:
                run(Path(folder), seed)
            except Exception:
                failed += 1
                print(f"seed {seed}: {traceback.format_exc(limit=-1).splitlines()[-1]}", flush=True)
    print(f"{given.sequences} sequences, {failed} failed")


if __name__ == "__main__":
    main()
