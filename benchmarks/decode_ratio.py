"""Decoding and preprocessing on one core, compared with open_clip's transform on the same files.

python -m benchmarks.decode_ratio [--rounds 5]
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from benchmarks.photos import jpeg
from benchmarks.result import result
from clipvec.data import decode_image
from clipvec.model import Preprocess

SIZES = {"500 x 375": (500, 375, 48), "12 megapixels": (4000, 3000, 6)}
CONFIG = PreprocessCfg()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    transform, preprocess = (
        image_transform_v2(CONFIG, is_train=False),
        Preprocess.from_open_clip(vars(CONFIG)),
    )

    def ours(data: bytes) -> np.ndarray:
        return preprocess(decode_image(data, preprocess.target, 10**9).image)

    def theirs(data: bytes) -> torch.Tensor:
        result: torch.Tensor = transform(Image.open(io.BytesIO(data)))
        return result

    for name, (width, height, count) in SIZES.items():
        files = [jpeg(seed, width, height) for seed in range(count)]
        rates = [(rate(ours, files), rate(theirs, files)) for _ in range(options.rounds)]
        mine, other = (statistics.median(column) for column in zip(*rates, strict=True))
        detail = f"{mine:.1f} and {other:.1f} images a second of processor time"
        ratio = statistics.median(a / b for a, b in rates)
        print(result(f"decoding beside open_clip, {name}", ratio, detail), flush=True)


def rate(work: Callable[[bytes], object], files: list[bytes]) -> float:
    started = time.process_time()
    for data in files:
        work(data)
    return len(files) / (time.process_time() - started)


if __name__ == "__main__":
    main()
