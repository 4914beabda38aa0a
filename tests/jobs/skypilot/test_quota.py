"""What new accounts have to ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clipvec.config import SkyLauncher
from clipvec.jobs.plan import Job
from clipvec.jobs.skypilot import quota

pytestmark = pytest.mark.usefixtures("price_lists")
BOTH = [{"use_spot": True}, {"use_spot": False}]
GPUS = {"accelerators": {"T4": 1, "A10G": 1}, "memory": "32+", "any_of": BOTH}
SPOT = (
    "quota: on AWS 100 at once need 800 vCPUs of All G and VT Spot Instance Requests (L-3819A6DF); "
    "a new account has none, and jobs beyond it wait, or run elsewhere"
)
ON_DEMAND = SPOT.replace(
    "All G and VT Spot Instance Requests (L-3819A6DF)",
    "Running On-Demand G and VT instances (L-DB2E81BA)",
)


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        (GPUS | {"infra": "aws"}, [SPOT, ON_DEMAND]),
        (GPUS | {"infra": "aws/eu-west-1", "any_of": None}, [ON_DEMAND]),
        (GPUS, [SPOT, ON_DEMAND]),
        ({"accelerators": "T4:4", "infra": "aws"}, [ON_DEMAND.replace("800", "4,800")]),
        (GPUS | {"infra": "gcp"}, []),
        ({"cpus": "8+"}, []),
    ],
)
def test_the_vcpus_of_the_smallest_machines(resources: dict[str, Any], said: list[str]) -> None:
    job = Job(0, (), (0,), cloud={"name": "x", "resources": resources})
    assert quota.lines([job] * 100, 100) == said


@pytest.mark.parametrize(("pool", "count"), [(None, 3), ("auto", 2), ("mine", 0)])
def test_machines_at_once(pool: str | None, count: int) -> None:
    jobs = tuple(Job(number, (), (number,)) for number in range(3))
    assert SkyLauncher(pool=pool, pool_workers=2).machines(len(jobs)) == count
    assert quota.lines(jobs, 0) == []


def test_no_price_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    assert quota.lines([Job(0, (), cloud={"resources": GPUS})], 1) == []
