"""A packed model makes the same vectors as the original, and needs nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch

from clipvec.config import ModelConfig
from clipvec.errors import ModelError
from clipvec.model import load_encoder, pack
from clipvec.model.torch import sample
from clipvec.model.torch.towers import ImageTower
from clipvec.model.torch.weights import checksum
from tests import tiny

TEXTS = ["a red fruit", "3 apples & a bicycle"]


def description(folder: Path) -> dict[str, object]:
    values = json.loads((folder / "open_clip_config.json").read_text())
    return dict(values["model_cfg"])


def packed(original: ModelConfig, folder: Path) -> ModelConfig:
    """Pack a model and check that its vectors are unchanged."""
    encoder = load_encoder(original)
    folder.mkdir()
    pack(original, folder)
    config = ModelConfig(original.name, original.arch, f"local-dir:{folder}", "cpu", "fp32")
    again = load_encoder(config)
    assert again.weights == encoder.weights
    assert again.preprocess == encoder.preprocess
    np.testing.assert_array_equal(again.encode_texts(TEXTS), encoder.encode_texts(TEXTS))
    np.testing.assert_array_equal(again.golden(), encoder.golden())
    return config


def test_a_folder(tiny_weights: Path, tmp_path: Path) -> None:
    packed(
        ModelConfig("local", "local", f"local-dir:{tiny_weights}", "cpu", "fp32"),
        tmp_path / "packed",
    )


def test_a_file(tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configs = {**open_clip.factory._MODEL_CONFIGS, "tiny": description(tiny_weights)}
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIGS", configs)
    weights = str(tiny_weights / "open_clip_pytorch_model.bin")
    packed(ModelConfig("tiny", "tiny", weights, "cpu", "fp32"), tmp_path / "packed")


def test_its_own_tokenizer(tmp_path: Path) -> None:
    original = tmp_path / "original"
    original.mkdir()
    tiny.write(original, words=32_000)
    texts = sample._files(None)[1]
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copy(texts / name, original)
    config = json.loads((original / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "somebody/tokenizer"
    (original / "open_clip_config.json").write_text(json.dumps(config))
    config = packed(
        ModelConfig("own", "own", f"local-dir:{original}", "cpu", "fp32"), tmp_path / "packed"
    )
    shutil.rmtree(original)
    assert load_encoder(config).encode_texts(TEXTS).shape == (2, 64)


def test_the_sample_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = packed(ModelConfig("sample", "sample", "sample", "cpu", "fp32"), tmp_path / "packed")
    monkeypatch.setattr("clipvec.extras.find_spec", lambda name: None)
    assert load_encoder(config).encode_texts(TEXTS).shape == (2, 640)
    with pytest.raises(ModelError, match="/nothing does not hold the sample model; use"):
        load_encoder(ModelConfig("sample", "sample", "local-dir:/nothing"))


def test_a_model_that_needs_the_hub_at_every_start_is_refused(tmp_path: Path) -> None:
    config = {"model_cfg": {"text_cfg": {"hf_model_name": "somebody/roberta"}}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    wanted = ModelConfig("local", "local", f"local-dir:{tmp_path}")
    with pytest.raises(ModelError, match=r"its text tower \(somebody/roberta\) at every start"):
        pack(wanted, tmp_path)


def test_branches_of_training_are_fused_and_packed_unfused(tmp_path: Path) -> None:
    vision = {"timm_model_name": "mobileone_s0", "timm_proj": "linear", "image_size": 64}
    text = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1}
    values = {
        "embed_dim": 64,
        "custom_text": True,
        "vision_cfg": vision,
        "text_cfg": text,
    }
    torch.manual_seed(0)
    model = open_clip.CustomTextCLIP(64, vision, text).eval()
    for name, buffer in model.named_buffers():
        if name.endswith("running_var"):  # what training leaves there
            buffer.uniform_(0.5, 2)
        elif name.endswith("running_mean"):
            buffer.normal_()
    torch.save(model.state_dict(), tmp_path / "open_clip_pytorch_model.bin")
    about = {"model_cfg": values, "preprocess_cfg": {"size": 64}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(about))
    original = ModelConfig("local", "local", f"local-dir:{tmp_path}", "cpu", "fp32")
    encoder = load_encoder(original)
    assert encoder.weights == checksum(model)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    with torch.inference_mode():
        expected = ImageTower(model, encoder.preprocess)(torch.from_numpy(pixels)).numpy()
    cosines = (encoder.encode_images(pixels) * expected).sum(axis=1)
    assert cosines.min() > 1 - 1e-6
    kinds = [type(module) for module in encoder.model.visual.modules()]
    assert kinds.count(torch.nn.BatchNorm2d) < 5
    packed(original, tmp_path / "packed")
