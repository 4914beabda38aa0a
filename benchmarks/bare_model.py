"""Images/s of a model on pixels that are in memory: plain torch, nothing read, decoded or stored.

    python -m benchmarks.bare_model [--arch ViT-B-32] [--precision bf16] [--device cpu] [--compile]

Weights are random, and of the precision that is asked for; so are the pixels. It prints JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import open_clip
import torch
from torch.utils.flop_counter import FlopCounterMode

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

_SIDE, _PRODUCTS = 2048, 8
"""Of the product that a processor's limit is taken from, and how often it is worked out."""


@dataclass(frozen=True)
class Rate:
    """Images per second, on the clock and of processor time."""

    clock: float
    processor: float


class BareModel:
    """The image tower of an architecture of open_clip."""

    def __init__(
        self,
        arch: str,
        precision: str,
        device: str = "cpu",
        *,
        channels_last: bool = False,
        compiled: bool = False,
    ) -> None:
        logging.disable(logging.WARNING)  # of open_clip, about random weights
        model: Any = open_clip.create_model(arch, require_pretrained=False)
        logging.disable(logging.NOTSET)
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        self._model = model.eval().requires_grad_(False).to(device, DTYPES[precision])
        self._model.visual.to(memory_format=self._layout)
        if compiled:
            self._model.visual = torch.compile(self._model.visual)
        size = model.visual.image_size
        self._shape = (3, size, size) if isinstance(size, int) else (3, *size)
        self._options = {"device": device, "dtype": DTYPES[precision]}

    @torch.inference_mode()
    def rate(self, images: int, batch_size: int) -> Rate:
        """Return how fast so many images are, after a batch that does not count."""
        pixels = torch.rand(batch_size, *self._shape, **self._options)
        pixels = pixels.to(memory_format=self._layout)
        self._model.encode_image(pixels, normalize=True).cpu()
        batches = -(-images // batch_size)
        started, processor = time.perf_counter(), time.process_time()
        for _ in range(batches):
            vectors = self._model.encode_image(pixels, normalize=True)
        vectors.cpu()  # waits for a device to end
        count = batches * batch_size
        return Rate(
            count / (time.perf_counter() - started), count / (time.process_time() - processor)
        )

    @torch.no_grad()
    def limit(self) -> float:
        """Return the images/s of processor time if all FLOPs were those of one large product."""
        with FlopCounterMode(display=False) as counter, _slow_attention():
            self._model.encode_image(torch.rand(1, *self._shape, **self._options))
        square = torch.rand(_SIDE, _SIDE, **self._options)
        square @ square
        started = time.process_time()
        for _ in range(_PRODUCTS):
            square @ square
        seconds = time.process_time() - started
        return _PRODUCTS * 2 * _SIDE**3 / seconds / counter.get_total_flops()


@contextlib.contextmanager
def _slow_attention() -> Iterator[None]:
    """Let attention be products that are counted."""
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(True)


def main() -> None:
    """Print the rates and their limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arch", default="ViT-B-32")
    parser.add_argument("--precision", choices=DTYPES, default="fp32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--batch-size", type=int, default=64)
    args = parser.parse_args()
    model = BareModel(
        args.arch,
        args.precision,
        args.device,
        channels_last=args.channels_last,
        compiled=args.compile,
    )
    rate = model.rate(args.images, args.batch_size)
    print(json.dumps({**vars(rate), "limit": model.limit()}))


if __name__ == "__main__":
    main()
