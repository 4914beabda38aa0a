"""How much of a quota jobs need, where a new account has none; SkyPilot tells when they start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.jobs.skypilot import gpus, prices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipvec.jobs.plan import Job

_G = ("g", "vt")
"""How the types of AWS's instances begin that count as G and VT: T4, L4, A10G, L40S."""
_NAMES = {
    True: "All G and VT Spot Instance Requests (L-3819A6DF)",
    False: "Running On-Demand G and VT instances (L-DB2E81BA)",
}


def lines(jobs: Sequence[Job], at_once: int) -> list[str]:
    """Return a line for each quota of AWS that jobs may need.

    Args:
        jobs: those to start, of which the first shows what they ask for.
        at_once: how many machines there are at a time.
    """
    if not at_once:
        return []
    found: dict[bool, float] = {}
    for each in gpus.alternatives(jobs[0].cloud):
        spot = bool(each.get("use_spot"))
        for row in prices.suitable(each, "aws"):
            if row["InstanceType"].startswith(_G):
                cores = float(row["vCPUs"])
                found[spot] = min(cores, found.get(spot, cores))
    return [
        f"quota: on AWS {at_once:,} at once need {at_once * cores:,.0f} vCPUs of {_NAMES[spot]}; a "
        "new account has none, and jobs beyond it wait, or run elsewhere"
        for spot, cores in found.items()
    ]
