"""What machines cost, as far as SkyPilot's price lists on this disk know."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CATALOGUES = Path("~/.sky/catalogs")
"""Where SkyPilot keeps them once it has looked at a cloud: ``<version>/<cloud>/vms.csv``."""


def per_hour(cloud: Mapping[str, Any]) -> float | None:
    """Return the least US dollars an hour that a machine for ``cloud`` costs; None: not known."""
    resources = cloud.get("resources", {})
    gpus = resources.get("accelerators")
    if not isinstance(gpus, dict):
        return None
    infra = (resources.get("infra") or "").split("/")[0]
    alternatives = resources.get("any_of") or [resources]
    spot = any(alternative.get("use_spot") for alternative in alternatives)
    column = "SpotPrice" if spot else "Price"
    return min(_prices(infra, {k: float(v) for k, v in gpus.items()}, column), default=None)


def _prices(infra: str, gpus: Mapping[str, float], column: str) -> Iterator[float]:
    for file in CATALOGUES.expanduser().glob(f"*/{infra or '*'}/vms.csv"):
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                wanted = gpus.get(row.get("AcceleratorName", ""))
                if (
                    wanted is not None
                    and row.get(column)
                    and wanted == float(row["AcceleratorCount"])
                ):
                    yield float(row[column])
