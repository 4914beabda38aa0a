"""embed compared with the bare model: how much of the encoder's throughput reaches the store.

    python -m benchmarks.embed_ratio [--images 512] [--rounds 3] [--arch ViT-B-32]

Both run in this process, one after the other, in each round: the model alone on preloaded tensors,
and one shard of a folder of JPEGs from the first read to the commit. Weights are random.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.photos import folder
from clipvec import config, model
from clipvec.data import decode_image
from clipvec.embed.run import embed_shards


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--arch", default="ViT-B-32")
    parser.add_argument("--batch-size", type=int, default=64)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        compare(options, Path(name))


def compare(options: argparse.Namespace, work: Path) -> None:
    photos = folder(work / "photos", options.images)
    settings = embed_config(work, photos, options)
    encoder = model.load_encoder(settings.model)
    pixels = preloaded(photos, encoder)
    ratios = []
    for round_ in range(options.rounds):
        # Bare, ours, bare: if the machine slows down or speeds up, neither benefits.
        before = time_of(lambda: bare_model(encoder, pixels, options.batch_size))
        shutil.rmtree(work / "store", ignore_errors=True)
        summary = embed_shards(settings)
        after = time_of(lambda: bare_model(encoder, pixels, options.batch_size))
        bare = 2 * options.images / (before + after)
        ratios.append(summary.timings.rate / bare)
        print(
            f"round {round_}: bare model {bare:.2f} images/s, embed {summary.timings.rate:.2f} "
            f"images/s, ratio {ratios[-1]:.3f}   [{summary}]"
        )
    print(
        f"{options.arch}, batch {options.batch_size}, {options.images} JPEGs of 500 x 375: "
        f"median ratio {statistics.median(ratios):.3f}; load average {os.getloadavg()[0]:.1f}"
    )


def embed_config(work: Path, photos: Path, options: argparse.Namespace) -> config.EmbedConfig:
    import open_clip

    weights = work / "weights.pt"
    torch.save(open_clip.create_model(options.arch).state_dict(), weights)
    return config.from_dict(
        {
            "model": {"name": "random", "arch": options.arch, "pretrained": str(weights)},
            "dataset": {"kind": "folder", "name": "photos", "path": str(photos)},
            "sharding": {"count": 1},
            "store": {"root": str(work / "store")},
            "cloud": {"name": "local"},
            "launcher": {"kind": "local"},
            "tracking": {"mode": "disabled"},
            "shards": "all",
            "batch_size": options.batch_size,
            "part_rows": 1024,
            "max_reject_fraction": 0.1,
            "max_pixels": 200_000_000,
            "decode_threads": 0,
        },
        config.EmbedConfig,
    )


def preloaded(photos: Path, encoder: model.Encoder) -> torch.Tensor:
    """Return the photographs as the model's float32 input [N, 3, H, W]."""
    pre = encoder.preprocess
    images = [
        decode_image(p.read_bytes(), pre.target, 10**9).image for p in sorted(photos.iterdir())
    ]
    batch = torch.from_numpy(np.stack([pre(image) for image in images])).float() / 255
    return ((batch - torch.tensor(pre.mean)) / torch.tensor(pre.std)).permute(0, 3, 1, 2)


def bare_model(encoder: model.Encoder, pixels: torch.Tensor, batch_size: int) -> None:
    with torch.inference_mode():
        for batch in pixels.split(batch_size):
            encoder.model.encode_image(batch, normalize=True)


def time_of(work: object) -> float:
    started = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
