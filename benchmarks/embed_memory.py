"""Peak memory of embed with a small shard and with one ten times larger.

    python -m benchmarks.embed_memory [--images 1000]

Each runs in its own process; the peak of the larger should be at most a tenth higher.
"""

from __future__ import annotations

import argparse
import sys
import tarfile
import tempfile
from pathlib import Path

from benchmarks.commits import ROOT
from benchmarks.photos import jpeg
from benchmarks.processes import measured

TINY = {
    "embed_dim": 64,
    "vision_cfg": {
        "image_size": 224,
        "layers": 2,
        "width": 128,
        "patch_size": 32,
        "head_width": 32,
    },
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
"""Small, so that decoding, not the encoder, is the bottleneck."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        write_model(work / "model")
        peaks = []
        for count in (options.images, 10 * options.images):
            tar = write_tar(work / f"{count}.tar", count)
            peaks.append(peak(work / str(count), tar, work / "model"))
            print(f"{count:,} images: peak {peaks[-1] / 2**20:,.0f} MiB")
        print(f"ratio {peaks[1] / peaks[0]:.3f}")


def write_model(folder: Path) -> None:
    import json

    import open_clip
    import torch

    folder.mkdir()
    torch.save(open_clip.CLIP(**TINY).state_dict(), folder / "open_clip_pytorch_model.bin")
    config = {"model_cfg": TINY, "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")


def write_tar(path: Path, count: int) -> Path:
    """Write a tar of ``count`` photographs; only a hundred distinct ones, to save time."""
    import io

    photos = [jpeg(seed, 500, 375) for seed in range(min(count, 100))]
    with tarfile.open(path, "w") as tar:
        for i in range(count):
            info = tarfile.TarInfo(f"{i:06d}.jpg")
            info.size = len(photos[i % len(photos)])
            tar.addfile(info, io.BytesIO(photos[i % len(photos)]))
    return path


def peak(cwd: Path, tar: Path, model: Path) -> int:
    """Run embed on one tar and return its peak memory in bytes."""
    cwd.mkdir()
    command = [
        *(sys.executable, "-m", "clipvec.embed", "dataset=webdataset", "sharding=x1"),
        *(f"dataset.path={tar}", "model=local", f"model.pretrained=local-dir:{model}"),
    ]
    return measured(command, cwd, {"PYTHONPATH": str(ROOT)}).peak_bytes


if __name__ == "__main__":
    main()
