"""``python -m clipvec.recall``: how good an index is, and which setting to run."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from clipvec.cli import run, run_hydra

if TYPE_CHECKING:
    from omegaconf import DictConfig


def main() -> None:
    """Run the command."""
    if sys.argv[1:2] == ["compare"]:
        run(lambda: _compare(sys.argv[2:]))
    else:
        run_hydra(_recall, "recall")


def _recall(cfg: DictConfig) -> None:
    from clipvec import config
    from clipvec.recall.run import apply, benchmark

    config.load_env()
    asked = config.read(cfg, config.RecallConfig)
    summary = benchmark(asked)
    print(summary)
    summary.check()
    if asked.apply:
        print(apply(asked, summary))


def comparing() -> argparse.ArgumentParser:
    """Return the options of ``compare``."""
    parser = argparse.ArgumentParser(
        prog="clipvec-recall compare",
        description="What changed between two reports, or more than two in one plot.",
    )
    parser.add_argument("reports", nargs="+", metavar="REPORT", help="folder, or its report.json")
    parser.add_argument("--to", metavar="DIR", help="write the comparison as a page here")
    return parser


def _compare(arguments: list[str]) -> None:
    from pathlib import Path

    from clipvec.recall import report

    parser = comparing()
    options = parser.parse_args(arguments)
    found = [report.read(Path(place)) for place in options.reports]
    if len(found) == 2:
        comparison = report.compare(*found)
        print(report.comparison_markdown(comparison))
        if options.to:
            print(report.write_comparison(comparison, Path(options.to)))
    elif options.to and len(found) > 2:
        print(report.write(found, Path(options.to)))
    else:
        parser.error("give two reports, or more of them and --to DIR")


if __name__ == "__main__":
    main()
