"""Fixtures of embedding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import clipvec
from clipvec.embed import EmbedSummary
from clipvec.model.torch.encoder import TorchEncoder
from tests import tiny
from tests.shared import once

Embed = Callable[..., EmbedSummary]


@pytest.fixture
def embed(tmp_path: Path, tiny_weights: Path) -> Embed:
    """Embed the folder ``photos``, or another dataset."""

    def call(**options: Any) -> EmbedSummary:
        given = {
            "model": "local",
            "model.pretrained": f"local-dir:{tiny_weights}",
            "dataset": "folder",
            "dataset.name": "it",
            "dataset.path": tmp_path / "photos",
            "store.root": tmp_path / "store",
            "sharding.count": 3,
            "batch_size": 4,
        }
        summary: EmbedSummary = clipvec.run_embed(**{**given, **options})
        return summary

    return call


@pytest.fixture(scope="session")
def other_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of a second model."""
    return once(tmp_path_factory, "other_weights", lambda folder: tiny.write(folder, seed=1))


@pytest.fixture
def reuse(embed: Embed, other_weights: Path) -> Embed:
    """Embed with a second model what the first has."""

    def call(**options: Any) -> EmbedSummary:
        given = {"model.name": "other", "model.pretrained": f"local-dir:{other_weights}"}
        return embed(**{**given, "reuse": "local", **options})

    return call


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the batches that the encoder was given, that of the probe image first."""
    sizes: list[int] = []
    encode_images = TorchEncoder.encode_images

    def count(self: TorchEncoder, pixels: np.ndarray) -> np.ndarray:
        sizes.append(len(pixels))
        return encode_images(self, pixels)

    monkeypatch.setattr(TorchEncoder, "encode_images", count)
    return sizes
