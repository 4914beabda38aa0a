"""Public figures of GPUs and models."""

from __future__ import annotations

from pathlib import Path

import open_clip
import pytest

from clipvec.jobs.backend import Speed
from clipvec.jobs.skypilot import speeds

MODELS = Path(open_clip.__file__).parent / "model_configs"


@pytest.mark.parametrize("arch", speeds._FAMILIES)
def test_the_models_are_those_of_open_clip(arch: str) -> None:
    assert (MODELS / f"{arch}.json").is_file()


def test_the_speed_of_a_gpu_and_a_model() -> None:
    assert speeds.estimate("ViT-L-14", "T4") == Speed(pytest.approx(118.8), pytest.approx(317.0))
    assert speeds.estimate("ViT-L-14-quickgelu", "t4") == speeds.estimate("ViT-L-14", "T4")
    decoding = speeds.estimate("ViT-B-32", "H100")
    assert decoding is not None
    assert decoding.images_per_s == speeds._DECODED


def test_the_bigger_model_is_slower_to_start_and_to_run() -> None:
    small, big = (speeds.estimate(arch, "L4") for arch in ("ViT-H-14", "ViT-bigG-14"))
    assert small is not None
    assert big is not None
    assert big.images_per_s < small.images_per_s
    assert big.starting > small.starting


@pytest.mark.parametrize(("arch", "gpu"), [("ViT-L-14", "K80"), ("sample", "T4"), ("", "T4")])
def test_what_is_in_no_table(arch: str, gpu: str) -> None:
    assert speeds.estimate(arch, gpu) is None
