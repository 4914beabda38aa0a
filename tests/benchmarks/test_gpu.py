"""The benchmark for machines with a GPU runs without one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import open_clip
import pytest

from benchmarks import gpu
from benchmarks.result import LINE


def test_embed_and_the_bare_model_take_turns(
    tiny_weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    described = json.loads((tiny_weights / "open_clip_config.json").read_text())["model_cfg"]
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIGS", {"tiny": described})
    words = ("--device", "cpu", "--arch", "tiny", "--images", "4", "--batch-size", "2")
    monkeypatch.setattr(sys, "argv", ["gpu", *words, "--rounds", "1", "--no-variants"])
    gpu.main()
    ((name, ratio, detail, _),) = LINE.findall(capsys.readouterr().out)
    assert name == "embed beside the bare model on cpu"
    assert 0 < float(ratio) < 2
    assert "the device waits" in detail
