"""Public figures of how fast GPUs embed and machines start, until a sweep has measured its own."""

from __future__ import annotations

from typing import NamedTuple

from clipvec.jobs.backend import Speed


class _Family(NamedTuple):
    images_per_s: float
    """On an RTX 3090 in half precision."""
    weights: float
    """In GB: the parameters of both towers in fp32."""


# images/s: https://github.com/huggingface/pytorch-image-models, in results/ the file
# benchmark-infer-amp-nchw-pt240-cu124-rtx3090.csv; parameters: open_clip's docs/model_profile.csv.
_FAMILIES = {
    "ViT-B-32": _Family(5090, 0.6),
    "ViT-B-32-256": _Family(3951, 0.6),
    "ViT-B-16": _Family(1565, 0.6),
    "ViT-B-16-SigLIP": _Family(1435, 0.8),
    "ViT-B-16-SigLIP2": _Family(1435, 1.5),
    "ViT-L-14": _Family(360, 1.7),
    "ViT-L-14-336": _Family(158, 1.7),
    "ViT-SO400M-14-SigLIP": _Family(251, 3.5),
    "ViT-SO400M-14-SigLIP2": _Family(251, 4.5),
    "ViT-H-14": _Family(184, 3.9),
    "ViT-H-14-378": _Family(62, 3.9),
    "ViT-g-14": _Family(117, 5.5),
    "ViT-bigG-14": _Family(67, 10.2),
    "RN50": _Family(2533, 0.4),
    "RN50x4": _Family(790, 0.7),
    "convnext_base_w": _Family(997, 0.7),
    "convnext_xxlarge": _Family(152, 4.8),
    "EVA02-L-14": _Family(257, 1.7),
    "MobileCLIP-S1": _Family(791, 0.3),
    "MobileCLIP-S2": _Family(584, 0.4),
}
# Relative to an RTX 3090. The RTX 4090 is in the same folder as above; T4 and A100 are one to 5.8
# with ViT-L/16 in NVIDIA's FasterTransformer, docs/vit_guide.md. The others are placed between
# these by the half-precision tensor throughput and the power of their data sheets.
_GPUS = {
    "t4": 0.33,
    "l4": 0.7,
    "a10": 0.75,
    "a10g": 0.8,
    "a40": 1.0,
    "a6000": 1.1,
    "rtx4090": 1.8,
    "l40s": 1.9,
    "a100": 1.9,
    "a100-80gb": 1.9,
    "h100": 3.4,
    "h200": 3.5,
}
_DECODED = 1000.0
"""Images/s that 8 vCPUs decode: JPEGs of about 500 px, 255/s for each of their 4 cores."""
_STARTING = 300.0
"""Seconds to find and boot a machine, and to install on it."""
_DOWNLOADED = 0.1
"""GB/s at which weights arrive."""


def estimate(arch: str, gpu: str) -> Speed | None:
    """Return the speed of an open_clip architecture on a GPU; None: not in the tables.

    Args:
        arch: its name in open_clip.
        gpu: its name in SkyPilot.
    """
    family = _FAMILIES.get(arch.removesuffix("-quickgelu"))
    relative = _GPUS.get(gpu.lower())
    if family is None or relative is None:
        return None
    rate = min(family.images_per_s * relative, _DECODED)
    return Speed(rate, _STARTING + family.weights / _DOWNLOADED)
