"""What an encoder is known by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.store import Golden, ModelFingerprint

if TYPE_CHECKING:
    from clipvec.model.encoder import Encoder


def fingerprint_of(encoder: Encoder) -> ModelFingerprint:
    """Return what ``encoder`` is known by."""
    image, text = encoder.golden()
    return ModelFingerprint(
        arch=encoder.arch,
        weights=encoder.weights,
        preprocessing=encoder.preprocess.to_json(),
        dim=encoder.dim,
        golden=Golden(image, text),
    )
