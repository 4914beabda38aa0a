"""Texts truncated after their end-of-text token give open_clip's vectors for all tokens."""

from __future__ import annotations

from typing import Any

import numpy as np
import open_clip
import pytest
import torch

from clipvec.model.tokens import EndOfText, passes
from clipvec.model.torch.towers import TextTower, end_of_text

VISION = {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 32}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 3}
EOS = {"pool_type": "eos", "eos_id": 49407}
SENTENCE = "a photo of the small red bird on a branch over water at night"
# Tokens with start and end: 2, 3, 8, 16, 17, 40, all 77, and more than fit.
TEXTS = [" ".join((SENTENCE.split() * 8)[:count]) for count in (0, 1, 6, 14, 15, 38, 75, 100)]
LENGTHS = [2, 3, 8, 16, 17, 40, 77, 77]


def made(model: type, **text: object) -> Any:
    """Return an untrained model whose text vectors differ widely."""
    torch.manual_seed(0)
    found = model(embed_dim=48, vision_cfg=VISION, text_cfg={**TEXT, **text}).eval()
    with torch.no_grad():
        for parameter in found.parameters():
            if parameter.dim() > 1:
                parameter.mul_(4)
    return found


@pytest.mark.parametrize(
    ("model", "text", "eos"),
    [
        (open_clip.CLIP, {}, None),
        (open_clip.CLIP, EOS, 49407),
        (open_clip.CLIP, {"proj_bias": True}, None),
        (open_clip.CustomTextCLIP, {}, None),
        (open_clip.CustomTextCLIP, EOS, 49407),
        (open_clip.CustomTextCLIP, {"proj_type": "none"}, None),
        (open_clip.CustomTextCLIP, {"qk_norm": True, "scale_heads": True}, None),
    ],
)
def test_short_texts_are_equal(model: type, text: dict[str, object], eos: int | None) -> None:
    clip = made(model, **text)
    end = end_of_text(clip)
    assert end == EndOfText(eos)
    tokens = open_clip.get_tokenizer("ViT-B-32")(TEXTS)
    assert end.lengths(tokens.numpy()).tolist() == LENGTHS
    with torch.inference_mode():
        expected = torch.nn.functional.normalize(clip.encode_text(tokens), dim=-1)
        assert (expected @ expected.T)[:7, :7].fill_diagonal_(0).max() < 0.99
        for row, length in enumerate(LENGTHS):
            for cut in {length, min(length + 5, 77), 77}:
                short = TextTower(clip)(tokens[row : row + 1, :cut])
                torch.testing.assert_close(short[0], expected[row], atol=2e-6, rtol=0)


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (open_clip.CLIP, {"no_causal_mask": True}),
        (open_clip.CLIP, {"pool_type": "last"}),
        (open_clip.CustomTextCLIP, {"no_causal_mask": True, "pool_type": "last"}),
        (open_clip.CustomTextCLIP, {"embed_cls": True}),
        (open_clip.CustomTextCLIP, {"pool_type": "first"}),
    ],
)
def test_texts_that_need_their_padding(model: type, text: dict[str, object]) -> None:
    assert end_of_text(made(model, **text)) is None


def test_other_kinds_of_towers_get_all_tokens() -> None:
    coca = open_clip.CoCa(48, {"width": 64, "heads": 2, "layers": 1}, TEXT, VISION)
    assert end_of_text(coca) is None


def test_passes() -> None:
    tokens = np.zeros((6, 77), np.int64)
    for row, length in enumerate([5, 77, 16, 17, 3, 60]):
        tokens[row, length - 1] = 49407
    found = [(rows.tolist(), length) for rows, length in passes(tokens, EndOfText(None))]
    assert found == [([0, 2, 4], 16), ([3], 17), ([5], 60), ([1], 77)]
    assert [(r.tolist(), n) for r, n in passes(tokens[:2], None)] == [([0, 1], 77)]
    assert [(r.tolist(), n) for r, n in passes(tokens[:0], EndOfText(None))] == [([], 77)]
