"""embed beside the bare model on one device: images/s, the share of time it waits, and memory.

    python -m benchmarks.gpu [--device cuda] [--arch ViT-B-32] [--images 8192] [--batch-size 256]

Weights are random. The bare model runs before and after embed in each round, its weights in the
precision that embed chooses; then in its variants: fp32, channels last, compiled. On a processor a
few images show that it runs.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import open_clip
import torch

import clipvec
from benchmarks.bare_model import BareModel
from benchmarks.photos import folder
from benchmarks.result import result
from clipvec.embed import EmbedSummary
from clipvec.machine import device_name, peak_bytes
from clipvec.model import choose_device
from clipvec.model.torch.device import choose_precision


def main() -> None:
    """Print the rates of each round, those of the variants, and the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--arch", default="ViT-B-32")
    parser.add_argument("--images", type=int, default=8192)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--variants", action=argparse.BooleanOptionalAction, default=True)
    args = parser.parse_args()
    device = choose_device(args.device)
    precision = choose_precision("auto", device)
    print(f"{device_name(str(device)) or device}, {precision}")
    with tempfile.TemporaryDirectory() as name:
        compare(args, Path(name), str(device), precision)
    if args.variants:
        variants(args, str(device), precision)


def compare(args: argparse.Namespace, work: Path, device: str, precision: str) -> None:
    """Let the bare model and embed take turns."""
    photos = folder(work / "photos", args.images)
    weights = work / "weights.pt"
    torch.save(open_clip.create_model(args.arch).state_dict(), weights)
    bare = BareModel(args.arch, precision, device)
    ratios = []
    for number in range(args.rounds):
        before = bare.rate(args.images, args.batch_size).clock
        summary = embed(args, photos, weights, work / f"store-{number}", device)
        after = bare.rate(args.images, args.batch_size).clock
        rate = statistics.harmonic_mean((before, after))
        ratios.append(summary.timings.rate / rate)
        waiting = 1 - summary.timings.shares()["encode"]
        detail = (
            f"{summary.timings.rate:,.0f} and {rate:,.0f} images/s; the device waits {waiting:.0%} "
            f"of the time; {memory()}"
        )
        print(f"round {number}: {detail}", flush=True)
    print(result(f"embed beside the bare model on {device}", statistics.median(ratios), detail))


def embed(
    args: argparse.Namespace, photos: Path, weights: Path, store: Path, device: str
) -> EmbedSummary:
    """Embed the photographs into a new store."""
    return clipvec.run_embed(
        *("dataset=folder", f"dataset.path={photos}", "sharding=x1", f"store.root={store}"),
        *(f"model.arch={args.arch}", f"model.pretrained={weights}", f"model.device={device}"),
        batch_size=args.batch_size,
    )


def memory() -> str:
    """Return the peak memory of this process, and of the device."""
    found = f"memory {peak_bytes() / 1e9:.1f} GB"
    if torch.cuda.is_available():
        found += f", {torch.cuda.max_memory_allocated() / 1e9:.1f} GB on the device"
    return found


def variants(args: argparse.Namespace, device: str, precision: str) -> None:
    """Print the images/s of the bare model in other precisions, layouts and compiled."""
    kinds = {
        "fp32": ("fp32", {}),
        precision: (precision, {}),
        f"{precision}, channels last": (precision, {"channels_last": True}),
        f"{precision}, compiled": (precision, {"compiled": True}),
    }
    for name, (kind, options) in kinds.items():
        rate = BareModel(args.arch, kind, device, **options).rate(args.images, args.batch_size)
        print(f"bare model, {name}: {rate.clock:,.0f} images/s", flush=True)


if __name__ == "__main__":
    main()
