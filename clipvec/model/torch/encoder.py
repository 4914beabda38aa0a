"""A model run by torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from open_clip.transformer import Attention
from torch import nn

from clipvec import machine
from clipvec.errors import ModelError
from clipvec.model.encoder import Encoder
from clipvec.model.torch.device import (
    choose_device,
    choose_precision,
    one_thread,
)
from clipvec.model.torch.packed import can_pack, pack_weights
from clipvec.model.torch.towers import ImageTower, TextTower
from clipvec.model.torch.weights import checksum, fuse, load_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clipvec.config import ModelConfig
    from clipvec.model.preprocess import Preprocess

_MULTIPLIED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.MultiheadAttention, Attention)
"""Modules whose weights autocast casts to half precision; norms and softmax stay in fp32."""
_HALVES = {"fp16": torch.float16, "bf16": torch.bfloat16}

_FEW = 1_000_000_000
"""Multiplications up to which a second thread of a CPU waits longer than it works."""


class TorchEncoder(Encoder):
    """Images and texts to vectors, by torch.

    ``model`` and ``tokenizer`` are open_clip's, for callers that need more than vectors.
    """

    def __init__(
        self,
        model: Any,  # as `load_weights` returns it
        tokenizer: Callable[[list[str]], torch.Tensor],
        preprocess: Preprocess,
        config: ModelConfig,
    ) -> None:
        self.preprocess = preprocess
        self.arch = config.arch
        self._device = choose_device(config.device)
        self.device = str(self._device)
        self.precision = choose_precision(config.precision, self._device)
        if self._device.type == "cpu":
            machine.keep_memory()
        self.weights = checksum(model)
        self.tokenizer = tokenizer
        self.model = model.eval().requires_grad_(False)
        fuse(self.model)
        if self.precision != "fp32":
            _cast_weights(self.model, _HALVES[self.precision])
        self.model.to(self._device)
        if config.compile:
            self.model.visual = torch.compile(self.model.visual)
        self._image_tower = ImageTower(self.model, preprocess).to(self._device)
        self._text_tower = TextTower(self.model)
        self.end_of_text = self._text_tower.end
        if can_pack(self._device, self.precision) and not config.compile:
            pack_weights(self.model)  # after the text tower has counted them

    @classmethod
    def load(cls, config: ModelConfig) -> TorchEncoder:
        """Return the encoder that ``config`` names.

        Raises:
            ModelError: there is no such model, or its weights cannot be fetched or do not fit it.
            GpuError: this process was given a GPU that torch cannot use.
        """
        choose_precision(config.precision, choose_device(config.device))  # before any download
        # Other threads would wait for the next tensor longer than they copy one.
        with one_thread():
            return cls(*load_weights(config), config)

    def encode_images(self, pixels: np.ndarray) -> np.ndarray:
        """Return uint8 [N, H, W, 3] from `preprocess` as float32 [N, D], unit length.

        Raises:
            ModelError: the batch does not fit into the device's memory.
        """
        return self._run(self._image_tower, pixels)

    def probe(self) -> tuple[list[float], list[float]]:
        """Embed the built-in probe image and probe text now."""
        with one_thread():
            return super().probe()

    def tokenize(self, texts: Sequence[str]) -> np.ndarray:
        """Return the padded token ids of texts: int64 [N, L]."""
        tokens: np.ndarray = self.tokenizer(list(texts)).numpy()
        return tokens

    def encode_tokens(self, tokens: np.ndarray) -> np.ndarray:
        """Return token ids, int64 [N, L], as float32 [N, D], unit length."""
        if tokens.size * self._text_tower.weights > _FEW:
            return self._run(self._text_tower, tokens)
        with one_thread():
            return self._run(self._text_tower, tokens)

    def _run(self, tower: torch.nn.Module, batch: np.ndarray) -> np.ndarray:
        half = _HALVES.get(self.precision, torch.float32)
        autocast = torch.autocast(self._device.type, half, enabled=self.precision != "fp32")
        given = torch.from_numpy(np.require(batch, requirements="W"))
        try:
            with torch.inference_mode(), autocast:
                vectors: np.ndarray = tower(given.to(self._device, non_blocking=True)).cpu().numpy()
                return vectors
        except torch.OutOfMemoryError as error:
            raise ModelError(
                f"a batch of {len(batch)} does not fit into the memory of {self.device}; "
                f"try batch_size={max(1, len(batch) // 2)}"
            ) from error


def _cast_weights(model: nn.Module, half: torch.dtype) -> None:
    """Cast once the weights that autocast would cast anew in every call.

    The others are copied, which lets go of a file that all may be mapped from. open_clip 3.3 has a
    function for the cast, which raises on a text projection with a bias (SigLIP).
    """
    for module in model.modules():
        dtype = half if isinstance(module, _MULTIPLIED) else None
        for parameter in module.parameters(recurse=False):
            parameter.data = parameter.data.to(dtype or parameter.dtype, copy=True)
