"""Real photographs for benchmarks: crops of images bundled with scikit-learn and scikit-image."""

from __future__ import annotations

import functools
import io
from pathlib import Path

import numpy as np
from PIL import Image


@functools.cache
def originals() -> list[Image.Image]:
    """Return photographs of at least 400 pixels on each side."""
    import skimage.data
    from sklearn.datasets import load_sample_images

    arrays = [
        *load_sample_images().images,
        skimage.data.astronaut(),
        skimage.data.coffee(),
        skimage.data.rocket(),
    ]
    return [Image.fromarray(array).convert("RGB") for array in arrays]


def jpeg(seed: int, width: int, height: int) -> bytes:
    """Return a JPEG of quality 90: a random crop of a photograph, scaled and tinted."""
    rng = np.random.default_rng(seed)
    sources = originals()
    source = sources[seed % len(sources)]
    scale = rng.uniform(0.6, 1.0)
    w = int(min(source.width, source.height * width / height) * scale)
    h = int(w * height / width)
    x, y = rng.integers(0, source.width - w + 1), rng.integers(0, source.height - h + 1)
    image = source.resize((width, height), box=(x, y, x + w, y + h))
    tinted = np.asarray(image) * rng.uniform(0.8, 1.2, 3)
    # Sensor noise; without it the files would be smaller than a camera's.
    noisy = tinted + rng.normal(0, 3, tinted.shape)
    buffer = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def folder(path: Path, count: int, width: int = 500, height: int = 375) -> Path:
    """Fill ``path`` with ``count`` JPEGs, unless they already exist."""
    path.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        file = path / f"{seed:05d}.jpg"
        if not file.exists():
            file.write_bytes(jpeg(seed, width, height))
    return path
