"""An open_clip model as an encoder of byte images and texts."""

from __future__ import annotations

import hashlib
import pickle
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec.errors import ModelError
from clipvec.model.device import choose_device, choose_precision, keep_memory
from clipvec.model.preprocess import Preprocess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch
    from PIL import Image

    from clipvec.config import ModelConfig

_SCHEMES = ("local-dir:", "hf-hub:")
_PROBE_TEXT = "a photo of a red bird on a branch, 3 apples & a bicycle"


class Encoder:
    """Pictures and texts to vectors of one space."""

    def __init__(
        self,
        model: Any,  # open_clip's CLIP or CustomTextCLIP, which share no class of their own
        tokenizer: Callable[[list[str]], torch.Tensor],
        preprocess: Preprocess,
        config: ModelConfig,
    ) -> None:
        import torch

        self.preprocess = preprocess
        self.arch = config.arch
        self.device = choose_device(config.device)
        self.precision = choose_precision(config.precision, self.device)
        if self.device.type == "cpu":
            keep_memory()
        self.weights = _checksum(model)
        """SHA-256 of the parameters."""
        self._tokenizer = tokenizer
        self._model = model.eval().requires_grad_(False).to(self.device)
        if config.compile:
            self._model.visual = torch.compile(self._model.visual)
        self._mean = torch.tensor(preprocess.mean, device=self.device).mul_(255)
        self._std = torch.tensor(preprocess.std, device=self.device).mul_(255)
        self._golden: tuple[list[float], list[float]] | None = None

    @property
    def dim(self) -> int:
        """Length of the vectors, D."""
        return len(self.golden()[0])

    def encode_images(self, pixels: np.ndarray) -> np.ndarray:
        """Return uint8 [N, H, W, 3] from `preprocess` as float32 [N, D], unit length.

        Raises:
            ModelError: the batch does not fit into the device's memory.
        """
        import torch

        bytes_ = torch.from_numpy(np.require(pixels, requirements="W"))
        batch = bytes_.to(self.device, non_blocking=True)
        # A permuted view of bytes that lie channels-last, which convolutions like best.
        batch = batch.float().sub_(self._mean).div_(self._std).permute(0, 3, 1, 2)
        return self._run("encode_image", batch)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Return texts as float32 [N, D], unit length."""
        return self._run("encode_text", self._tokenizer(list(texts)).to(self.device))

    def golden(self) -> tuple[list[float], list[float]]:
        """Return the embeddings of the built-in probe picture and probe text."""
        if self._golden is None:
            self._golden = self.probe()
        return self._golden

    def probe(self) -> tuple[list[float], list[float]]:
        """Embed the built-in probe picture and probe text now."""
        pixels = self.preprocess(_probe_picture())[None]
        image, text = self.encode_images(pixels)[0], self.encode_texts([_PROBE_TEXT])[0]
        return image.tolist(), text.tolist()

    def _run(self, method: str, batch: torch.Tensor) -> np.ndarray:
        import torch

        types = {"fp16": torch.float16, "bf16": torch.bfloat16}
        half = types.get(self.precision, torch.float32)
        autocast = torch.autocast(self.device.type, half, enabled=self.precision != "fp32")
        try:
            with torch.inference_mode(), autocast:
                features = getattr(self._model, method)(batch).float()
                return torch.nn.functional.normalize(features, dim=-1).cpu().numpy()
        except torch.OutOfMemoryError as error:
            raise ModelError(
                f"a batch of {len(batch)} does not fit into the memory of {self.device}; "
                f"try batch_size={max(1, len(batch) // 2)}"
            ) from error


def load(config: ModelConfig) -> Encoder:
    """Return the encoder that ``config`` names, fetching its weights if they are a tag's.

    Raises:
        ModelError: there is no such model, its weights cannot be had, or they do not fit it.
    """
    if config.arch == "synthetic":
        raise ModelError(
            f"model={config.name} stands for drawn vectors and embeds neither texts nor pictures; "
            "vectors of real ones come from another model and another dataset"
        )
    if config.arch == "sample":
        from clipvec.model import sample

        folder = config.pretrained.removeprefix("local-dir:")
        model, tokenizer, preprocess = sample.build(
            Path(folder) if folder != config.pretrained else None
        )
    else:
        model, tokenizer, preprocess = _open_clip(config)
    return Encoder(model, tokenizer, Preprocess.from_open_clip(preprocess), config)


def _open_clip(
    config: ModelConfig,
) -> tuple[torch.nn.Module, Callable[[list[str]], torch.Tensor], dict[str, Any]]:
    import open_clip

    scheme = config.pretrained.startswith(_SCHEMES)
    source = config.pretrained if scheme else config.arch
    _check_source(config)
    tag = {} if scheme else open_clip.get_pretrained_cfg(config.arch, config.pretrained)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="QuickGELU mismatch")
            model = open_clip.create_model(
                source,
                pretrained=None if scheme else config.pretrained,
                # Tags trained with QuickGELU give wrong vectors without it (open_clip#771).
                force_quick_gelu=bool(tag.get("quick_gelu")),
                force_preprocess_cfg=_preprocess_of_file(config) if not scheme and not tag else {},
                require_pretrained=True,
            )
        tokenizer = open_clip.get_tokenizer(source)
    except Exception as error:  # open_clip, torch and the hub raise all sorts
        raise ModelError(_reason(config, error)) from error
    return model, tokenizer, dict(open_clip.get_model_preprocess_cfg(model))


def _check_source(config: ModelConfig) -> None:
    """Refuse a name that open_clip does not know, and a file or folder that is not there."""
    import open_clip

    where = f"model.pretrained={config.pretrained!r}"
    if config.pretrained.startswith("local-dir:"):
        folder = Path(config.pretrained.removeprefix("local-dir:"))
        if not (folder / "open_clip_config.json").is_file():
            raise ModelError(f"{where}: {folder} is not a folder with an open_clip_config.json")
        return
    if config.pretrained.startswith("hf-hub:"):
        return
    if config.arch not in open_clip.list_models():
        raise ModelError(
            f"model.arch={config.arch!r} is not an architecture of open_clip; "
            "python -c 'import open_clip; print(open_clip.list_models())' lists them"
        )
    tags = open_clip.list_pretrained_tags_by_model(config.arch)
    if config.pretrained not in tags and not Path(config.pretrained).is_file():
        raise ModelError(
            f"{where} is neither a file nor weights of {config.arch}: allowed are "
            f"{', '.join(tags)}, local-dir:<folder>, hf-hub:<name>, or a file"
        )


def _preprocess_of_file(config: ModelConfig) -> dict[str, Any]:
    """Return the preprocessing that goes with a bare weights file, which cannot say it itself.

    open_clip would silently take CLIP's (open_clip#1068), which is wrong for SigLIP, say. All the
    published weights of the architecture must agree; otherwise the file wants a folder around it.
    """
    import open_clip

    keys = ("mean", "std", "interpolation", "resize_mode")
    configs = [
        {key: tag[key] for key in keys if key in tag}
        for tag in (
            open_clip.get_pretrained_cfg(config.arch, name)
            for name in open_clip.list_pretrained_tags_by_model(config.arch)
        )
    ]
    if any(other != configs[0] for other in configs):
        raise ModelError(
            f"model.pretrained={config.pretrained!r}: the published weights of {config.arch} "
            "differ in preprocessing, and a bare file does not say its own; put it into a folder "
            "with an open_clip_config.json and use model.pretrained=local-dir:<folder>"
        )
    return configs[0] if configs else {}


def _reason(config: ModelConfig, error: Exception) -> str:
    where = f"model.pretrained={config.pretrained!r}"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if isinstance(error, ImportError):
        return f"{config.arch} needs another package ({lines[0]}); pip install transformers"
    if not config.pretrained.startswith("local-dir:") and not Path(config.pretrained).is_file():
        return (
            f"{where}: the weights of {config.arch} could not be fetched ({lines[0][:200]}); check "
            "the network, or use model.pretrained=<file> or "
            "model=local model.pretrained=local-dir:<folder>"
        )
    if isinstance(error, pickle.UnpicklingError):
        return f"{where} is not a weights file that holds tensors alone; save its state_dict anew"
    detail = lines[1] if len(lines) > 1 and "state_dict" in lines[0] else lines[0]
    return f"{where} does not fit model.arch={config.arch}: {detail.strip()[:200]}"


def _checksum(model: torch.nn.Module) -> str:
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _probe_picture() -> Image.Image:
    """Return a picture that any slip in resizing, cropping or channel order changes."""
    from PIL import Image

    y, x = np.mgrid[0:240, 0:400]
    waves = [np.sin(x / 7 + y / 31), np.cos(x / 29 - y / 5), np.sin((x * y) / 1500)]
    pixels = np.stack([(wave * 110 + 128).astype(np.uint8) for wave in waves], axis=-1)
    pixels[60:120, 80:200] = (220, 30, 40)
    pixels[150:220, 250:330] = (20, 200, 60)
    return Image.fromarray(pixels)
