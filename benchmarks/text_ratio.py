"""Text tower latency: texts truncated after their end-of-text token, and all 77 tokens.

    python -m benchmarks.text_ratio [--arch ViT-B-32] [--rounds 9]

Weights are random. Full and short passes over the same texts take turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import numpy as np
import open_clip
import torch

from clipvec.model.tokens import passes
from clipvec.model.torch.towers import TextTower

QUERIES = {
    "one query": ["a red bird on a branch"],
    "one long caption": ["two people on bicycles wait at a crossing in the rain, " * 2],
    "32 queries": [f"a {colour} {thing}" for colour in ("red", "big", "old", "new")
                   for thing in ("bird", "car", "door", "apple on a table", "house by a lake",
                                 "dog that runs after a ball", "street at night", "cup")],
    "31 queries and a caption": [f"a photo of {n} apples" for n in range(31)]
    + ["two people on bicycles wait at a crossing in the rain, " * 3],
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arch", default="ViT-B-32")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    tower = TextTower(open_clip.create_model(options.arch, require_pretrained=False).eval())
    tokenize = open_clip.get_tokenizer(options.arch)
    for name, texts in QUERIES.items():
        tokens = tokenize(texts).numpy()
        parts = passes(tokens, tower.end)
        short = [tokens[rows, :length] for rows, length in parts]
        times = [(seconds(tower, [tokens]), seconds(tower, short)) for _ in range(options.rounds)]
        full_ms, short_ms = (
            1000 * statistics.median(column) for column in zip(*times, strict=True)
        )
        print(
            f"{name}: passes of {', '.join(f'{len(r)} x {n}' for r, n in parts)} tokens; "
            f"full {full_ms:.1f} ms, short {short_ms:.1f} ms, ratio {full_ms / short_ms:.1f}"
        )
    print(f"{options.arch}; load average {os.getloadavg()[0]:.1f}")


@torch.inference_mode()
def seconds(tower: TextTower, batches: list[np.ndarray]) -> float:
    started = time.perf_counter()
    for batch in batches:
        tower(torch.from_numpy(batch))
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
