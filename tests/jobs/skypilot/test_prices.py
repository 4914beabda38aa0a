"""Prices as SkyPilot's lists have them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clipvec.jobs.skypilot import prices

pytestmark = pytest.mark.usefixtures("price_lists")
BOTH = [{"use_spot": True}, {"use_spot": False}]


@pytest.mark.parametrize(
    ("resources", "price"),
    [
        ({"infra": "aws", "accelerators": {"T4": 1}}, 0.526),
        ({"infra": "aws", "accelerators": "T4"}, 0.526),
        ({"infra": "aws", "accelerators": "t4:4"}, 3.912),
        ({"infra": "aws", "accelerators": ["A10G:1", "T4:4"]}, 1.212),
        ({"infra": "aws", "accelerators": {"T4": 1}, "memory": "32+"}, 0.752),
        ({"infra": "aws", "accelerators": {"T4": 1}, "memory": 32}, 0.752),
        ({"infra": "aws", "accelerators": {"T4": 1}, "cpus": "5+"}, 0.752),
        ({"infra": "aws", "accelerators": {"T4": 1}, "cpus": "5"}, None),
        ({"infra": "aws/eu-west-1", "accelerators": {"T4": 1}, "memory": "32+"}, 0.838),
        ({"infra": "AWS/*/use1-az4", "accelerators": {"T4": 1}, "use_spot": True}, 0.2884),
        ({"infra": "aws/mars-1", "accelerators": {"T4": 1}}, None),
        ({"infra": "aws", "accelerators": "T4", "instance_type": "g4dn.2xlarge"}, 0.752),
        ({"infra": "aws", "accelerators": {"T4": 1}, "use_spot": True}, 0.1523),
        ({"infra": "aws", "accelerators": {"A10G": 1}, "use_spot": True}, None),
        ({"infra": "aws", "accelerators": {"A10G": 1}, "any_of": BOTH}, 1.212),
        ({"infra": "aws", "accelerators": {"T4": 1}, "any_of": BOTH, "memory": "32+"}, 0.2611),
        (
            {"infra": "aws", "accelerators": {"T4": 1}, "any_of": BOTH, "max_hourly_cost": 0.16},
            0.1523,
        ),
        ({"accelerators": {"T4": 1, "A10G": 1}, "memory": "32+", "max_hourly_cost": 0.5}, None),
        ({"infra": "aws", "accelerators": "A10G", "use_spot": True, "max_hourly_cost": 9}, None),
        ({"accelerators": {"T4": 4}, "any_of": [{"infra": "lambda"}, {"infra": "aws"}]}, 3.912),
        ({"ordered": [{"infra": "lambda", "accelerators": "A10"}]}, 0.75),
        ({"infra": "lambda", "accelerators": {"A10": 1, "A6000": 1}, "any_of": None}, 0.75),
        ({"accelerators": {"A10": 1, "T4": 1}}, 0.526),
    ],
)
def test_the_cheapest_suitable_machine(resources: dict[str, Any], price: float | None) -> None:
    known = prices.by_gpu({"name": "x", "resources": resources})
    assert min(known.values(), default=None) == price


def test_the_cheapest_machine_with_each_gpu() -> None:
    resources = {"accelerators": {"T4": 1, "A10G": 1, "A10": 1, "L4": 1}, "any_of": BOTH}
    assert prices.by_gpu({"resources": resources}) == {
        ("t4", 1): 0.1523,
        ("a10g", 1): 1.212,
        ("a10", 1): 0.75,
    }


def test_machines_with_several_gpus_have_prices_of_their_own() -> None:
    resources = {"infra": "aws", "any_of": [{"accelerators": {"T4": 1}}, {"accelerators": "T4:4"}]}
    assert prices.by_gpu({"resources": resources}) == {("t4", 1): 0.526, ("t4", 4): 3.912}


@pytest.mark.parametrize(
    "resources",
    [
        {},
        {"infra": "aws", "cpus": "8+", "accelerators": None},
        {"infra": "gcp", "accelerators": {"T4": 1}},
        {"infra": "aws", "accelerators": {"T4": 1}, "memory": "4x"},
        {"infra": "slurm", "accelerators": {"T4": 1}},
        {"infra": "aws", "accelerators": {"H100": 1}},
        {"infra": "aws", "accelerators": {"T4": None}},
        {"infra": "aws", "accelerators": 4},
    ],
)
def test_unknown_prices(resources: dict[str, Any]) -> None:
    assert prices.by_gpu({"name": "x", "resources": resources}) == {}


UNKNOWN = "not all prices are known; `sky gpus list` shows those that SkyPilot finds"


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ({"infra": "aws", "cpus": "8+"}, None),
        ({"infra": "slurm/x", "accelerators": "A100"}, None),
        ({"any_of": [{"infra": "k8s"}, {"infra": "slurm"}], "accelerators": "A100"}, None),
        ({"any_of": [{"infra": "k8s"}, {}], "accelerators": "A100"}, UNKNOWN),
        ({"infra": "aws", "accelerators": "H100", "max_hourly_cost": 1}, UNKNOWN),
        (
            {"accelerators": {"T4": 1, "A10G": 1}, "any_of": BOTH, "max_hourly_cost": 0.1},
            "cloud.resources.max_hourly_cost=0.1: no machine with these GPUs has such a price; the "
            "lowest that is known is $0.15 an hour",
        ),
    ],
)
def test_why_a_price_is_not_known(resources: dict[str, Any], said: str | None) -> None:
    assert prices.by_gpu({"resources": resources}) == {}
    assert prices.unknown({"resources": resources}) == said


def test_no_price_lists_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    assert prices.by_gpu({"resources": {"accelerators": {"T4": 1}}}) == {}


def test_price_lists_in_a_custom_skypilot_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.setenv("SKY_RUNTIME_DIR", str(tmp_path))
    assert prices.by_gpu({"resources": {"accelerators": {"T4": 4}}}) == {("t4", 4): 3.912}


def test_skypilot_reads_the_same_from_these_lists(price_lists: Path) -> None:
    """The real SkyPilot, in its own process."""
    code = """
import json
from sky import catalog
found = []
for cpus, memory, region, spot in [
    (None, None, None, False), (None, "32+", None, False), ("5+", None, None, False),
    (None, "32+", "eu-west-1", False), (None, "32+", "eu-west-1", True),
]:
    types, _ = catalog.get_instance_type_for_accelerator(
        "T4", 1, cpus=cpus, memory=memory, use_spot=spot, region=region, clouds="aws")
    found.append(catalog.get_hourly_cost(types[0], spot, region, None, clouds="aws"))
print(json.dumps(found))
"""
    environment = os.environ | {"HOME": str(price_lists), "SKYPILOT_DISABLE_USAGE_COLLECTION": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [0.526, 0.752, 0.752, 0.838, 0.2611]
