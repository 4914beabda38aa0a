"""Our one-step resize and crop compared with open_clip's transform, on real photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from sklearn.datasets import load_sample_images

from clipvec import model
from clipvec.config import ModelConfig
from clipvec.model import Encoder, Preprocess

PHOTOS = [Image.fromarray(pixels) for pixels in load_sample_images().images]
SIZES = [(640, 427), (427, 640), (300, 300), (64, 64), (40, 30), (1000, 50), (225, 224)]
CONFIGS: list[dict[str, Any]] = [
    {"size": 224},
    {"size": 224, "interpolation": "bilinear"},
    {"size": 224, "resize_mode": "squash"},
    {"size": 224, "resize_mode": "longest", "fill_color": 255},
    {"size": (192, 256)},
    {"size": (192, 256), "resize_mode": "longest"},
]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_pixels_agree_with_open_clip(config: dict[str, Any], size: tuple[int, int]) -> None:
    cfg = PreprocessCfg(**config)
    ours = Preprocess.from_open_clip(vars(cfg))
    theirs = image_transform_v2(cfg, is_train=False)
    for photo in PHOTOS:
        image = photo.resize(size)
        mine = (ours(image) / 255.0 - cfg.mean) / cfg.std
        want = theirs(image).permute(1, 2, 0).numpy()
        assert mine.shape == want.shape
        assert np.abs(mine - want).mean() < 0.02


@pytest.fixture(scope="module")
def tiny(tiny_weights: Path) -> Encoder:
    return model.load_encoder(ModelConfig("tiny", "local", f"local-dir:{tiny_weights}"))


def test_embeddings_agree_with_open_clip(tiny: Encoder, tiny_weights: Path) -> None:
    net, _, transform = open_clip.create_model_and_transforms(f"local-dir:{tiny_weights}")
    net.eval()
    for photo in PHOTOS:
        for size in SIZES:
            image = photo.resize(size)
            with torch.inference_mode():
                want = net.encode_image(transform(image)[None], normalize=True)[0].numpy()
            mine = tiny.encode_images(tiny.preprocess(image)[None])[0]
            assert mine @ want > 0.999, size
