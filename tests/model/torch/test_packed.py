"""Packed weights give the vectors of open_clip's own layers, as far as bfloat16 goes."""

from __future__ import annotations

import copy
from typing import Any

import open_clip
import pytest
import torch
from torch import nn

from clipvec.model.preprocess import Preprocess
from clipvec.model.torch import packed
from clipvec.model.torch.encoder import _cast_weights
from clipvec.model.torch.towers import ImageTower, TextTower

CPU = torch.device("cpu")
PREPROCESS = Preprocess(70, 70, (0.48, 0.45, 0.4), (0.26, 0.26, 0.27), "bicubic", "shortest", 0)
VISION = {"image_size": 70, "layers": 3, "width": 160, "patch_size": 16, "head_width": 80}
"""Patches leave six rows and columns of pixels; 80 ** -0.5 is no power of two."""
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 3}

needs_bf16 = pytest.mark.skipif(
    not packed.can_pack(CPU, "bf16"), reason="no bfloat16 products on this processor"
)


def towers(model: Any) -> tuple[ImageTower, TextTower]:
    return ImageTower(model, PREPROCESS), TextTower(model)


@needs_bf16
@pytest.mark.parametrize("quick", [False, True], ids=["GELU", "QuickGELU"])
@pytest.mark.parametrize("most", [0, 2**25], ids=["long", "short"])
@pytest.mark.parametrize("kind", [open_clip.CLIP, open_clip.CustomTextCLIP])
def test_vectors_are_those_of_the_layers(
    kind: type, most: int, quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "_MOST_SCORES", most)
    torch.manual_seed(0)
    model = kind(48, VISION, TEXT, quick_gelu=quick).eval().requires_grad_(False)
    for parameter in model.parameters():  # biases too, which are zero in a new model
        parameter.add_(torch.randn_like(parameter) * 0.05)
    plain = copy.deepcopy(model)
    _cast_weights(model, torch.bfloat16)
    cast = copy.deepcopy(model)
    packed.pack_weights(model)
    assert not [each for each in model.modules() if type(each) is nn.MultiheadAttention]
    pixels = torch.randint(0, 256, (5, 70, 70, 3), dtype=torch.uint8)
    tokens = open_clip.get_tokenizer("ViT-B-32")(["a red bird", "", "two dogs on a beach " * 30])
    for given, own, half, ours in zip(
        (pixels, tokens), towers(plain), towers(cast), towers(model), strict=True
    ):
        with torch.inference_mode():
            expected = own(given)
            with torch.autocast("cpu", torch.bfloat16):
                rounded, found = half(given), ours(given)
        assert (expected @ expected.T).fill_diagonal_(0).max() < 0.999
        error, usual = (1 - (expected * each).sum(dim=1).min() for each in (found, rounded))
        assert error < max(2 * usual, 1e-5)


@needs_bf16
def test_attention_of_queries_to_other_keys_stays() -> None:
    vision = {**VISION, "attentional_pool": True, "attn_pooler_heads": 2}
    coca = open_clip.CoCa(48, {"width": 64, "heads": 2, "layers": 1}, TEXT, vision).eval()
    pooler, decoder = coca.visual.attn_pool, coca.text_decoder.cross_attn[0]
    _cast_weights(coca, torch.bfloat16)
    packed.pack_weights(coca)
    assert type(pooler.attn) is type(decoder.attn) is nn.MultiheadAttention
    assert type(decoder.mlp.c_fc) is type(coca.visual.conv1._product)


def test_other_devices_and_precisions_keep_their_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not packed.can_pack(CPU, "fp32")
    assert not packed.can_pack(torch.device("cuda"), "bf16")
    with monkeypatch.context() as patch:
        patch.setattr("platform.machine", lambda: "aarch64")
        assert not packed.can_pack(CPU, "bf16")
    monkeypatch.setattr(packed, "_OPERATORS", ("of_another_torch",))
    assert not packed.can_pack(CPU, "bf16")
