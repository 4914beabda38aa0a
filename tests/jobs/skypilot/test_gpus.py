"""The GPUs that jobs may get."""

from __future__ import annotations

from typing import Any

import pytest

from clipvec.jobs.skypilot import gpus

SPOT = [{"use_spot": True}, {"use_spot": False}]


@pytest.mark.parametrize(
    ("resources", "precision"),
    [
        ({"accelerators": {"T4": 1, "L4": 1}, "any_of": SPOT}, "fp16"),
        ({"accelerators": {"L4": 1, "A10G": 1, "A100-80GB": 1, "H100": 1}}, "bf16"),
        ({"accelerators": "RTX4090:1"}, "bf16"),
        ({"accelerators": ["V100:1"]}, "fp16"),
        ({"any_of": [{"accelerators": "L4"}, {"accelerators": "T4"}]}, "fp16"),
        ({"any_of": [{"accelerators": "L4"}, {"cpus": "8+"}]}, "fp32"),
        ({"cpus": "8+"}, "fp32"),
        ({"instance_type": "g6.xlarge"}, None),
    ],
)
def test_a_precision_that_every_machine_has(
    resources: dict[str, Any], precision: str | None
) -> None:
    assert gpus.precision({"name": "aws", "resources": resources}) == precision
