"""A real open_clip model that loads at once."""

from __future__ import annotations

import gzip
import json
from pathlib import Path


def write(folder: Path, seed: int = 0, layers: int = 2, words: int = 1024) -> None:
    """Write the weights of a small untrained model, for ``local-dir:``; another for each seed.

    Its tokenizer has the first of the 49,408 words of open_clip's, whose list takes longer to read
    than the rest of the model.
    """
    import open_clip
    import torch
    from open_clip.tokenizer import default_bpe

    header, *merges = gzip.decompress(Path(default_bpe()).read_bytes()).split(b"\n")
    pairs = folder / "pairs.txt.gz"
    pairs.write_bytes(gzip.compress(b"\n".join([header, *merges[: words - 2 * 256 - 2]])))
    vision = {"image_size": 64, "layers": layers, "width": 128, "patch_size": 16, "head_width": 32}
    text = {"context_length": 77, "width": 64, "heads": 2, "layers": 2}
    text |= {"vocab_size": words, "tokenizer_kwargs": {"bpe_path": str(pairs)}}
    config = {"embed_dim": 64, "vision_cfg": vision, "text_cfg": text}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = open_clip.CLIP(**config)
    torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")
    preprocess = {"mean": [0.48, 0.45, 0.4], "std": [0.26, 0.26, 0.27]}
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}), encoding="utf-8"
    )
