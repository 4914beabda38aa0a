"""A real open_clip model that loads at once."""

from __future__ import annotations

import json
from pathlib import Path


def write(folder: Path, seed: int = 0, layers: int = 2) -> None:
    """Write the weights of a small untrained model, for ``local-dir:``; another for each seed."""
    import open_clip
    import torch

    vision = {"image_size": 64, "layers": layers, "width": 128, "patch_size": 16, "head_width": 32}
    text = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2}
    config = {"embed_dim": 64, "vision_cfg": vision, "text_cfg": text}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = open_clip.CLIP(**config)
    torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")
    preprocess = {"mean": [0.48, 0.45, 0.4], "std": [0.26, 0.26, 0.27]}
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}), encoding="utf-8"
    )
