"""``clipvec recall``: how good is the index, and which setting to run.

Examples:
    clipvec recall model=sample  # the collection that index made, and FAISS's
    clipvec recall model=sample systems=quick measure=quick
    clipvec recall queries.text_file=queries.txt target_recall=0.98
    clipvec recall model=sample apply=true  # sets the recommended ef_search
    clipvec recall -m model=vit_b_32,vit_l_14     # a report for each
    clipvec recall compare data/reports/A data/reports/B

The ground truth is kept beside the store; systems that were measured are not measured again.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from clipvec.cli import Arguments, HydraCommand, run

if TYPE_CHECKING:
    from omegaconf import DictConfig


def _recall(cfg: DictConfig) -> None:
    from clipvec import config
    from clipvec.recall import apply, benchmark
    from clipvec.retry import in_place

    config.load_env()
    asked = config.read(cfg, config.RecallConfig)
    summary = in_place(lambda: benchmark(asked))
    print(summary)
    summary.check()
    if asked.apply:
        print(apply(asked, summary.report))


COMMAND = HydraCommand("recall", _recall, __doc__, subcommands=["compare"], resumes=True)


def main() -> None:
    """Run the command."""
    if sys.argv[1:2] == ["compare"]:
        run(lambda: _compare(sys.argv[2:]))
    else:
        COMMAND.main()


def comparing() -> Arguments:
    """Return the options of ``compare``."""
    parser = Arguments(
        prog="clipvec recall compare",
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
