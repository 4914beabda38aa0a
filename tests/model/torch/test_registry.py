"""Every architecture of open_clip's registry, without weights.

The towers are built with one narrow layer, which keeps what differs between architectures: their
classes, masks, pooling, end-of-text tokens, context lengths and dimensions.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict
from PIL import Image
from sklearn.datasets import load_sample_images

from clipvec.config.models import arch_extras
from clipvec.model import Preprocess
from clipvec.model.torch.towers import TextTower, end_of_text

ARCHITECTURES = open_clip.list_models()
HUGGING_FACE = {
    "facebook/nllb-200-distilled-1.3B": "m2m_100",
    "facebook/nllb-200-distilled-600M": "m2m_100",
    "google/mt5-base": "mt5",
    "google/mt5-xl": "mt5",
    "roberta-base": "roberta",
    "xlm-roberta-base": "xlm-roberta",
    "xlm-roberta-large": "xlm-roberta",
}
"""Text towers from the hub, and their kinds, which tests/model/torch/test_towers.py compares."""
VISION = {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 32}
NARROW = {"layers": 1, "width": 32, "heads": 2}
WORDS = 49408
"""Of open_clip's own tokenizer; more are not built."""
PHOTO = Image.fromarray(load_sample_images().images[0]).resize((300, 200))
PREPROCESSING: set[str] = set()
"""What was compared already: architectures share it."""


def narrow(config: dict[str, Any]) -> Any:
    """Return an untrained model of an architecture with one narrow layer in each tower."""
    given = {key: value for key, value in config.items() if key != "custom_text"}
    text = config["text_cfg"] | NARROW
    text["vocab_size"] = min(text.get("vocab_size", WORDS), WORDS)
    if text.get("proj_type") == "none":
        text["width"] = config["embed_dim"]
    given |= {"vision_cfg": VISION, "text_cfg": text}
    kind = open_clip.CLIP
    if "multimodal_cfg" in config:
        kind = open_clip.CoCa
        given["multimodal_cfg"] = config["multimodal_cfg"] | NARROW
    elif config.get("custom_text"):
        kind = open_clip.CustomTextCLIP
    torch.manual_seed(0)
    model = kind(**given).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(4)
    return model


def preprocessing(arch: str, size: Any) -> list[dict[str, Any]]:
    """Return the preprocessing of an architecture as open_clip does it, for each of its weights."""
    tags = open_clip.list_pretrained_tags_by_model(arch)
    given = [open_clip.get_pretrained_cfg(arch, tag) for tag in tags] or [{}]
    return [
        merge_preprocess_dict(merge_preprocess_dict(PreprocessCfg(), tag), {"size": size})
        for tag in given
    ]


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_architecture(arch: str) -> None:
    config = open_clip.get_model_config(arch)
    text = config["text_cfg"]
    kind = text.get("hf_model_name")
    assert arch_extras(arch) == (("transformers",) if kind or "hf_tokenizer_name" in text else ())
    if kind:  # which only the hub has
        assert kind in HUGGING_FACE
    else:
        check_texts(arch, config)
    for found in preprocessing(arch, config["vision_cfg"]["image_size"]):
        if str(found) not in PREPROCESSING:
            PREPROCESSING.add(str(found))
            check_pixels(found)


def check_texts(arch: str, config: dict[str, Any]) -> None:
    """Compare the vectors of short texts, cut at their end, with those of all tokens."""
    text = config["text_cfg"]
    length = text.get("context_length", 77)
    if "hf_tokenizer_name" not in text:
        tokens = open_clip.get_tokenizer(arch)(["a red bird on a branch", "a cat"])
        assert tuple(tokens.shape) == (2, length)
        assert int(tokens.max()) < text.get("vocab_size", WORDS)
    model = narrow(config)
    end = end_of_text(model)
    causal = not text.get("no_causal_mask")
    at_end = text.get("pool_type", "argmax") in {"argmax", "eos"}
    reads_end = causal and at_end and not text.get("embed_cls") and "multimodal_cfg" not in config
    assert (end is not None) is reads_end
    # Two texts that differ after the token at their end alone.
    last = min(text.get("vocab_size", WORDS), WORDS) - 1
    eos = text.get("eos_id", WORDS - 1) if text.get("pool_type") == "eos" else last
    tokens = torch.randint(3, 1000, (1, length)).repeat(2, 1)
    tokens[:, 7] = eos
    tokens[1, 8:] = torch.randint(3, 1000, (length - 8,))
    with torch.inference_mode():
        tower = TextTower(model)
        one, other = tower(tokens)
        assert one.shape == (config["embed_dim"],)
        assert torch.allclose(one, other, atol=1e-6) is reads_end
        if end is not None:
            assert end.lengths(tokens.numpy()).tolist() == [8, 8]
            torch.testing.assert_close(tower(tokens[:1, :8])[0], one, atol=2e-6, rtol=0)


def check_pixels(found: dict[str, Any]) -> None:
    """Compare the pixels of a photograph with those of open_clip's own transform."""
    mine = Preprocess.from_open_clip(found)
    theirs = image_transform_v2(PreprocessCfg(**found), is_train=False)(PHOTO)
    pixels = (mine(PHOTO) / 255.0 - found["mean"]) / found["std"]
    assert pixels.shape == (mine.height, mine.width, 3)
    assert np.abs(pixels - theirs.permute(1, 2, 0).numpy()).mean() < 0.02


def test_the_preprocessing_of_the_registry() -> None:
    """New kinds of it are noticed here."""
    seen = [
        found
        for arch in ARCHITECTURES
        for found in preprocessing(
            arch, open_clip.get_model_config(arch)["vision_cfg"]["image_size"]
        )
    ]
    assert {each["resize_mode"] for each in seen} == {"shortest", "squash"}
    assert {each["interpolation"] for each in seen} == {"bicubic", "bilinear"}
    assert {len({*each["mean"]}) for each in seen} == {1, 3}
    assert asdict(PreprocessCfg()).keys() == seen[0].keys()


FAMILIES = {
    "transformer": "ViT-S-32",
    "ResNet": "RN50",
    "SigLIP 2": "ViT-B-32-SigLIP2-256",
    "Perception Encoder": "PE-Core-T-16-384",
    "FastViT": "MobileCLIP2-S0",
    "ConvNeXt": "convnext_tiny",
    "EVA": "EVA02-B-16",
    "Swin": "swin_base_patch4_window7_224",
    "ViTamin": "ViTamin-S",
}


@pytest.mark.parametrize("arch", FAMILIES.values(), ids=FAMILIES)
def test_image_towers(arch: str) -> None:
    """One whole image tower of each family, of no memory: its input and its output."""
    from open_clip.model import _build_vision_tower

    config = open_clip.get_model_config(arch)
    with torch.device("meta"), torch.inference_mode():
        quick = config.get("quick_gelu", False)
        tower = _build_vision_tower(config["embed_dim"], config["vision_cfg"], quick).eval()
        size = config["vision_cfg"]["image_size"]
        height, width = (size, size) if isinstance(size, int) else size
        assert tower(torch.empty(1, 3, height, width)).shape == (1, config["embed_dim"])
