"""Whether a recommendation's prediction interval covers the recall on other queries.

    clipvec embed experiment=synthetic dataset.rows=20_000
    clipvec recall experiment=synthetic dataset.rows=20_000 -m 'queries.seed=range(20)' \\
        systems=quick '~systems.chroma' '~systems.flat' measure=quick
    python -m benchmarks.recommendation_seeds data/reports

Prints per report: the recommended setting, the prediction interval from the half of the queries
that selected it, and the recall on the other half. At least 19 of 20 should lie inside.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from clipvec.recall import report
from clipvec.recall.results import Candidate


def line(seed: int, kind: str, choice: Candidate) -> str:
    """Return one recommendation as a line."""
    parameters = ", ".join(f"{name}={value:g}" for name, value in choice.parameters.items())
    inside = "inside" if holds(choice) else "OUTSIDE"
    return (
        f"seed {seed:2}, {kind:5}: {choice.system} {parameters}: predicted "
        f"{choice.selection.low:.3f} to {choice.selection.high:.3f}, "
        f"validated {choice.validation.value:.3f}, {inside}"
    )


def holds(choice: Candidate) -> bool:
    """Return whether the other half's recall lies in the prediction interval."""
    return choice.selection.low <= choice.validation.value <= choice.selection.high


def main() -> None:
    """Print a line for each recommendation, and how many hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reports", type=Path, help="folder of the reports of a sweep")
    found = []
    for file in sorted(parser.parse_args().reports.glob("*/report.json")):
        one = report.read(file)
        for recommendation in one.recommendations:
            choice = recommendation.choice or recommendation.nearest
            if choice is not None and recommendation.among == "all":
                found.append(choice)
                print(line(one.seeds["queries"], recommendation.kind, choice))
    print(f"{sum(map(holds, found))} of {len(found)} inside")


if __name__ == "__main__":
    main()
