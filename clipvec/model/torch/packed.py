"""Transformers as a processor runs them fastest that multiplies in bfloat16.

oneDNN multiplies by weights in blocks, of which torch makes a copy in each call: there they are
made once. Attention to few tokens, the activation between two layers, and an image's patches take
fewer passes over memory. Vectors differ as roundings do.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

import torch
from open_clip.transformer import ResidualAttentionBlock, VisionTransformer
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

_X86 = {"x86_64", "AMD64"}
_OPERATORS = ("_is_mkldnn_bf16_supported", "_linear_pointwise", "_reorder_linear_weight")
"""Of torch.ops.mkldnn: not public, and so perhaps not in every torch."""
_MOST_SCORES = 2**25
"""Scores of a batch, 64 MB, up to which attention holds all of them."""


def can_pack(device: torch.device, precision: str) -> bool:
    """Return whether weights of a precision can be packed for a device."""
    if device.type != "cpu" or precision != "bf16" or platform.machine() not in _X86:
        return False
    onednn: Any = torch.backends.mkldnn
    operators: Any = torch.ops.mkldnn
    if not (onednn.is_available() and all(hasattr(operators, name) for name in _OPERATORS)):
        return False
    return bool(operators._is_mkldnn_bf16_supported())


def pack_weights(model: nn.Module) -> None:
    """Pack the weights of open_clip's own transformers, in place; others stay as they are.

    Args:
        model: its weights are in bfloat16. It then runs under inference mode alone, and has no
            parameters of what is packed.
    """
    module: Any
    for module in model.modules():
        if type(module) is VisionTransformer:
            module.conv1 = _Patches(module.conv1)
        elif type(module) is ResidualAttentionBlock:
            _pack_mlp(module.mlp)
            if module.attn.batch_first and not hasattr(module, "ln_1_kv"):  # the keys are others'
                module.attn = _SelfAttention(module.attn)


def _pack_mlp(mlp: Any) -> None:
    """Pack the two layers of a ``Sequential``; GELU becomes a part of the first."""
    gelu = mlp.gelu.approximate if type(mlp.gelu) is nn.GELU else None
    mlp.c_fc = _Linear(mlp.c_fc.weight, mlp.c_fc.bias, gelu)
    mlp.c_proj = _Linear(mlp.c_proj.weight, mlp.c_proj.bias)
    if gelu is not None:
        mlp.gelu = nn.Identity()


class _Linear(nn.Module):
    """A linear layer, and GELU by an algorithm of torch's: ``none`` or ``tanh``."""

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor | None, gelu: str | None = None
    ) -> None:
        super().__init__()
        # what torch's own compiler makes of a linear layer
        operators: Any = torch.ops.mkldnn
        self._run: Callable[..., torch.Tensor] = operators._linear_pointwise
        self.weight: torch.Tensor = operators._reorder_linear_weight(weight.detach())
        """bfloat16 [outputs, inputs], in blocks that oneDNN alone can read."""
        self.bias = None if bias is None else bias.detach()
        self._then = ("none", "none") if gelu is None else ("gelu", gelu)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return [..., outputs] of [..., inputs]."""
        name, algorithm = self._then
        return self._run(x.to(self.weight.dtype), self.weight, self.bias, name, [], algorithm)


class _SelfAttention(nn.Module):
    """Attention of tokens to tokens, in place of ``nn.MultiheadAttention``."""

    def __init__(self, attention: nn.MultiheadAttention) -> None:
        super().__init__()
        self._heads = attention.num_heads
        self._inputs = _Linear(attention.in_proj_weight, attention.in_proj_bias)
        self._outputs = _Linear(attention.out_proj.weight, attention.out_proj.bias)

    def forward(
        self,
        tokens: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        need_weights: bool,
        attn_mask: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, None]:
        """Return [N, L, D] of ``tokens`` [N, L, D], which are the keys and the values too."""
        count, length, width = tokens.shape
        size = width // self._heads
        each = self._inputs(tokens).view(count, length, 3, self._heads, size)
        each = each.permute(2, 0, 3, 1, 4).reshape(3, count * self._heads, length, size)
        queries, keys, values = each.unbind()
        found = _attended(queries, keys, values, attn_mask)
        found = found.view(count, self._heads, length, size).transpose(1, 2)
        return self._outputs(found.reshape(count, length, width)), None


def _attended(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor | None
) -> torch.Tensor:
    """Return the values that queries find, each [N x heads, L, D / heads]."""
    count, length, size = queries.shape
    if count * length**2 > _MOST_SCORES:
        return nn.functional.scaled_dot_product_attention(queries, keys, values, mask)
    added, used = (queries.new_zeros(1), 0) if mask is None else (mask, 1)
    scores = torch.baddbmm(added, queries, keys.transpose(1, 2), beta=used, alpha=size**-0.5)
    return torch.bmm(scores.softmax(-1), values)


class _Patches(nn.Module):
    """A convolution whose patches do not overlap, as one product."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self._height, self._width = convolution.kernel_size
        weight = convolution.weight.permute(0, 2, 3, 1).flatten(1)
        self._product = _Linear(weight, convolution.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return [N, outputs, rows, columns] of images, [N, C, H, W], with their channels last."""
        rows, columns = images.shape[2] // self._height, images.shape[3] // self._width
        whole: Any = images[:, :, : rows * self._height, : columns * self._width].permute(
            0, 2, 3, 1
        )
        apart = whole.unflatten(2, (columns, -1)).unflatten(1, (rows, -1)).transpose(2, 3)
        half = apart.to(self._product.weight.dtype, memory_format=torch.contiguous_format)
        found: torch.Tensor = self._product(half.flatten(3))
        return found.permute(0, 3, 1, 2)
