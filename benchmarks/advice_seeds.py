"""Whether the interval that an advice gives holds the recall that other queries have.

    python -m clipvec.embed experiment=synthetic dataset.rows=20_000
    python -m clipvec.recall experiment=synthetic dataset.rows=20_000 -m 'queries.seed=range(20)' \\
        contestants=quick '~contestants.chroma' '~contestants.flat' measure=quick
    python -m benchmarks.advice_seeds data/reports

A line for each report: the advised setting, its expected interval from the half of the queries that
it was chosen on, and the recall of the other half. At least 19 of 20 should lie inside.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from clipvec.recall import report
from clipvec.recall.results import Choice


def line(seed: int, kind: str, choice: Choice) -> str:
    """Return what one report found."""
    parameters = ", ".join(f"{name}={value:g}" for name, value in choice.parameters.items())
    inside = "inside" if holds(choice) else "OUTSIDE"
    return (
        f"seed {seed:2}, {kind:5}: {choice.contestant} {parameters}: expected "
        f"{choice.chosen.low:.3f} to {choice.chosen.high:.3f}, "
        f"confirmed {choice.confirmed.value:.3f}, {inside}"
    )


def holds(choice: Choice) -> bool:
    """Return whether the other half's recall lies in the expected interval."""
    return choice.chosen.low <= choice.confirmed.value <= choice.chosen.high


def main() -> None:
    """Print a line for each advice and how many hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reports", type=Path, help="folder of the reports of a sweep")
    found = []
    for file in sorted(parser.parse_args().reports.glob("*/report.json")):
        one = report.read(file)
        for advice in one.advice:
            choice = advice.choice or advice.nearest
            if choice is not None and advice.among == "all":
                found.append(choice)
                print(line(one.seeds["queries"], advice.kind, choice))
    print(f"{sum(map(holds, found))} of {len(found)} inside")


if __name__ == "__main__":
    main()
