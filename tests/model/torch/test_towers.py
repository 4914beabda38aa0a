"""Texts truncated at their end give open_clip's vectors for all tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch

from clipvec import paths
from clipvec.model.preprocess import Preprocess
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


HUGGING_FACE: dict[str, dict[str, Any]] = {
    "bert": {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 3},
    "roberta": {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 3},
    "xlm-roberta": {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 3},
    "mt5": {"d_model": 48, "d_kv": 16, "d_ff": 64, "num_layers": 3, "num_heads": 3},
    "m2m_100": {"d_model": 48, "encoder_layers": 1, "decoder_layers": 1, "vocab_size": 300},
}


def hugging_face(kind: str, pooler: str, folder: Path) -> Any:
    """Return an untrained model with one of Hugging Face's text towers."""
    from transformers import AutoConfig

    AutoConfig.for_model(kind, **HUGGING_FACE[kind]).save_pretrained(folder)
    text = {"hf_model_name": str(folder), "hf_model_pretrained": False, "hf_pooler_type": pooler}
    torch.manual_seed(0)
    return open_clip.CustomTextCLIP(embed_dim=48, vision_cfg=VISION, text_cfg=text).eval()


@pytest.mark.parametrize(
    ("kind", "pooler"),
    [
        *((kind, "mean_pooler") for kind in ("bert", "roberta", "xlm-roberta", "mt5")),
        *((kind, "cls_pooler") for kind in ("bert", "roberta", "xlm-roberta")),
    ],
)
def test_masked_padding_is_left_out(kind: str, pooler: str, tmp_path: Path) -> None:
    clip = hugging_face(kind, pooler, tmp_path)
    pad = clip.text.config.pad_token_id
    end = end_of_text(clip)
    assert end == EndOfText(pad, padding=True)
    tokens = torch.full((len(LENGTHS) + 1, 77), pad)
    for row, length in enumerate(LENGTHS):
        tokens[row, :length] = torch.randint(5, 1000, (length,))
        tokens[row, length // 2] = pad  # inside, as where [SEP] is blanked out
    tokens[3, LENGTHS[3] - 1] = 7
    lengths = end.lengths(tokens.numpy())
    assert lengths[2:8].tolist() == LENGTHS[2:8]
    assert lengths[-1] == 77  # nothing but padding
    with torch.inference_mode():
        expected = torch.nn.functional.normalize(clip.encode_text(tokens[:8]), dim=-1)
        assert (expected @ expected.T)[:7, :7].fill_diagonal_(0).max() < 0.9999
        for row, length in enumerate(lengths[:8].tolist()):
            short = TextTower(clip)(tokens[row : row + 1, :length])
            torch.testing.assert_close(short[0], expected[row], atol=2e-6, rtol=0)


def test_masked_padding_is_left_out_by_onnx_too(tmp_path: Path) -> None:
    from clipvec.model.onnx import encoder, export

    clip = hugging_face("bert", "mean_pooler", tmp_path / "bert")
    preprocess = Preprocess(32, 32, (0.5,) * 3, (0.5,) * 3, "bicubic", "shortest", 0)
    tokens = torch.zeros((3, 77), dtype=torch.int64)
    tokens[:, :3] = torch.randint(5, 1000, (3, 3))
    assert export._write_towers(clip, tokens[:2], preprocess, tmp_path) == end_of_text(clip)
    text = encoder._session(paths.ExportPaths(tmp_path).tower("text"))
    with torch.inference_mode():
        expected = TextTower(clip)(tokens).numpy()
    for length in (3, 20, 77):
        found = encoder._run(text, tokens[:, :length].numpy())
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_tower_that_was_not_compared_gets_all_tokens(tmp_path: Path) -> None:
    assert end_of_text(hugging_face("m2m_100", "mean_pooler", tmp_path)) is None


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
