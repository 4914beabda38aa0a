"""The fingerprint of an encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.store import Golden, ModelFingerprint

if TYPE_CHECKING:
    from clipvec.model.encoder import Encoder


def fingerprint_of(encoder: Encoder) -> ModelFingerprint:
    """Return the fingerprint of ``encoder``."""
    image, text = encoder.golden()
    return ModelFingerprint(
        arch=encoder.arch,
        weights=encoder.weights,
        preprocessing=encoder.preprocess.to_json(),
        dim=encoder.dim,
        golden=Golden(image, text),
    )
