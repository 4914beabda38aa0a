"""Machine prices, from SkyPilot's local price lists."""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipvec.jobs.skypilot import gpus
from clipvec.jobs.skypilot.gpus import number
from clipvec.locations import expanded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


_UNKNOWN = "not all prices are known; `sky gpus list` shows those that SkyPilot finds"


def by_gpu(cloud: Mapping[str, Any]) -> dict[tuple[str, int], float]:
    """Return the lowest price of a machine with each GPU, and a count, in US dollars per hour.

    GPUs are in lower case. Prices are unknown for machines without a GPU, which SkyPilot chooses
    by its own rules, and where a list does not price whole machines: GCP's prices GPUs apart from
    their hosts.
    """
    lowest: dict[tuple[str, int], float] = {}
    for each in gpus.alternatives(cloud):
        for gpu, price in _prices(each):
            lowest[gpu] = min(price, lowest.get(gpu, price))
    return lowest


def unknown(cloud: Mapping[str, Any]) -> str | None:
    """Return why no machine with a GPU that is asked for has a price; None: none is asked for."""
    wanted = [each for each in gpus.alternatives(cloud) if gpus.requested(each)]
    rented = [each for each in wanted if gpus.place(each)[0] not in gpus.OWN]
    dearer = [each for each in rented if each.get("max_hourly_cost")]
    costs = [price for each in dearer for _, price in _prices({**each, "max_hourly_cost": None})]
    if costs:
        return (
            f"cloud.resources.max_hourly_cost={dearer[0]['max_hourly_cost']}: no machine with "
            f"these GPUs has such a price; the lowest that is known is ${min(costs):,.2f} an hour"
        )
    return _UNKNOWN if rented else None


def _prices(resources: Mapping[str, Any]) -> Iterator[tuple[tuple[str, int], float]]:
    """Yield GPU, with its count, and price of the machines that satisfy ``resources``."""
    for row in suitable(resources):
        if price := _price(row, resources):
            yield (row["AcceleratorName"].lower(), int(float(row["AcceleratorCount"]))), price


def suitable(resources: Mapping[str, Any], cloud: str = "*") -> Iterator[dict[str, str]]:
    """Yield the rows of the machines with a GPU that satisfy ``resources``, in one cloud or any."""
    wanted = gpus.requested(resources)
    place = gpus.place(resources)
    most = number(str(resources.get("max_hourly_cost")))
    if cloud != "*" and place[0] not in {"*", cloud}:
        return
    for row in machines(place[0] if cloud == "*" else cloud):
        count = wanted.get(row["AcceleratorName"].lower())
        if (
            count is not None
            and count == number(row["AcceleratorCount"])
            and row["InstanceType"]
            and resources.get("instance_type") in {None, row["InstanceType"]}
            and place[1:2] in ([], ["*"], [row["Region"].lower()])
            and place[2:3] in ([], ["*"], [row.get("AvailabilityZone", "").lower()])
            and _enough(row["vCPUs"], resources.get("cpus"))
            and _enough(row["MemoryGiB"], resources.get("memory"))
            and (most is None or (_price(row, resources) or math.inf) <= most)
        ):
            yield row


def _price(row: Mapping[str, str], resources: Mapping[str, Any]) -> float | None:
    """Return the US dollars per hour of a machine; None: it has no such price."""
    return number(row["SpotPrice" if resources.get("use_spot") else "Price"])


def machines(cloud: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a cloud's price list, or of all clouds' with ``*``."""
    # SkyPilot caches them the first time it queries a cloud: <version>/<cloud>/vms.csv
    root = expanded(Path(os.environ.get("SKY_RUNTIME_DIR", "~"), ".sky", "catalogs"))
    versions = [f for f in root.glob("v*") if f.name[1:].isdecimal()]
    if not versions:
        return
    newest = max(versions, key=lambda folder: int(folder.name[1:]))
    for file in newest.glob(f"{cloud}/vms.csv"):
        with file.open(encoding="utf-8", newline="") as lines:
            yield from csv.DictReader(lines)


def _enough(has: str, wanted: object) -> bool:
    """Return whether a machine meets a requirement: ``8`` exactly, ``8+`` at least."""
    if wanted is None:
        return True
    amount, found = number(str(wanted).removesuffix("+")), number(has)
    if amount is None or found is None:
        return False
    return found >= amount if str(wanted).endswith("+") else found == amount
