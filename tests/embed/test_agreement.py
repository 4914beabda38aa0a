"""Decoding and preprocessing give the same embeddings as open_clip's own transform."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from sklearn.datasets import load_sample_images

from clipvec import model
from clipvec.config import ModelConfig
from clipvec.data import decode_image
from clipvec.locations import package_file
from clipvec.model import Encoder

EVERY = 6
"""One in this many of the bundled images is embedded."""


def bundled() -> list[bytes]:
    files = []
    for path in sorted(Path(package_file("pkg://clipvec/sample_data")).glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith(".jpg"):
                    file = tar.extractfile(member)
                    assert file is not None
                    files.append(file.read())
    return files[::EVERY]


def large() -> list[bytes]:
    """12-megapixel photographs, which are decoded at a fraction of their size."""
    files = []
    for pixels in load_sample_images().images:
        buffer = io.BytesIO()
        Image.fromarray(pixels).resize((4000, 3000)).save(buffer, "JPEG", quality=92)
        files.append(buffer.getvalue())
    return files


@pytest.fixture(scope="module", params=["sample", "tiny"])
def encoder(request: pytest.FixtureRequest, tiny_weights: Path) -> Encoder:
    # fp32, like the reference: errors of half precision are not those of preprocessing.
    if request.param == "sample":
        return model.load_encoder(ModelConfig("sample", "sample", "sample", precision="fp32"))
    weights = f"local-dir:{tiny_weights}"
    return model.load_encoder(ModelConfig("tiny", "local", weights, precision="fp32"))


def reference(encoder: Encoder, data: bytes) -> np.ndarray:
    """Embed an image file with open_clip's transform and the bare model."""
    values = encoder.preprocess.to_json()
    size = values.pop("height"), values.pop("width")
    transform = image_transform_v2(PreprocessCfg(size=size, **values), is_train=False)
    with torch.inference_mode(), Image.open(io.BytesIO(data)) as image:
        vector = encoder.model.encode_image(transform(image)[None])[0].float()
    return torch.nn.functional.normalize(vector, dim=0).numpy()


@pytest.mark.parametrize("files", [bundled, large], ids=["bundled", "12 megapixels"])
def test_cosine(encoder: Encoder, files: object) -> None:
    for data in files():  # type: ignore[operator]
        decoded = decode_image(data, encoder.preprocess.target, 10**9)
        vector = encoder.encode_images(encoder.preprocess(decoded.image)[None])[0]
        assert vector @ reference(encoder, data) >= 0.999
