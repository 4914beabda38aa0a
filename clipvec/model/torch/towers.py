"""The two towers of a model: pixels and token ids to vectors of unit length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from open_clip import CLIP, CustomTextCLIP, hf_model
from open_clip.transformer import TextTransformer, text_global_pool
from torch import nn
from torch.nn.functional import normalize

from clipvec.model.tokens import EndOfText

if TYPE_CHECKING:
    from clipvec.model.preprocess import Preprocess

_MASKED = ("bert", "roberta", "xlm-roberta", "mt5")
"""Kinds of Hugging Face's towers whose vectors were compared with those of all tokens."""


class ImageTower(nn.Module):
    """Maps pixels, uint8 [N, H, W, 3], to float32 [N, D], unit length."""

    def __init__(self, model: Any, preprocess: Preprocess) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(preprocess.mean).mul_(255))
        self.register_buffer("std", torch.tensor(preprocess.std).mul_(255))
        self.mean: torch.Tensor
        self.std: torch.Tensor

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the vectors of pixels."""
        # A permuted view of channels-last memory, the fastest layout for convolutions.
        batch = pixels.float().sub_(self.mean).div_(self.std).permute(0, 3, 1, 2)
        return normalize(self.model.encode_image(batch).float(), dim=-1)


class TextTower(nn.Module):
    """Maps token ids, int64 [N, L], to float32 [N, D], unit length.

    L is the model's context length, or less if there is an ``end`` after which tokens are cut.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.end = end_of_text(model)
        self.weights = sum(
            parameter.numel()
            for module in (model.transformer if isinstance(model, CLIP) else model.text).modules()
            if not isinstance(module, nn.Embedding)
            for parameter in module.parameters(recurse=False)
        )
        """Numbers that each token is multiplied with."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the vectors of token ids."""
        if self.end is None or self.end.padding:
            features = self.model.encode_text(tokens)
        else:
            features = self._causal(tokens, self.end)
        return normalize(features.float(), dim=-1)

    def _causal(self, tokens: torch.Tensor, end: EndOfText) -> torch.Tensor:
        """Do the same as ``CLIP.encode_text`` and ``TextTransformer.forward``, for any length.

        These do not trim positions and mask to a shorter input.
        """
        tower = self.model if isinstance(self.model, CLIP) else self.model.text
        dtype, length = tower.transformer.get_cast_dtype(), tokens.shape[1]
        x = tower.token_embedding(tokens).to(dtype)
        x = x + tower.positional_embedding[:length].to(dtype)
        x = tower.ln_final(tower.transformer(x, attn_mask=tower.attn_mask[:length, :length]))
        pool = "argmax" if end.id is None else "eos"
        features: torch.Tensor = text_global_pool(x, tokens, pool, end.id)
        if isinstance(tower.text_projection, nn.Linear):
            features = tower.text_projection(features)
        elif tower.text_projection is not None:
            features = features @ tower.text_projection
        return features


def end_of_text(model: Any) -> EndOfText | None:
    """Return how a text tower finds the end of a text, or None if later tokens matter.

    They do not matter if attention is causal and the output is read at the end-of-text token, or
    if they are padding and masked, in attention and in the pooling: so are Hugging Face's. They do
    if the tower attends to padding (SigLIP), or reads a token after the end (CoCa).
    """
    if type(model) is CLIP:
        mask, pool, eos = model.attn_mask, model.text_pool_type, model.text_eos_id
    elif type(model) is CustomTextCLIP and type(model.text) is TextTransformer:
        text = model.text
        if text.cls_emb is not None or text.output_tokens:
            return None
        mask, pool, eos = text.attn_mask, text.pool_type, text.eos_id
    elif type(model) is CustomTextCLIP and type(model.text) is hf_model.HFTextEncoder:
        hf = model.text.config
        return EndOfText(hf.pad_token_id, padding=True) if hf.model_type in _MASKED else None
    else:
        return None
    if mask is None or pool not in {"argmax", "eos"}:
        return None
    return EndOfText(eos if pool == "eos" else None)
