"""Fetches, checks and loads the weights of a model through open_clip."""

from __future__ import annotations

import hashlib
import logging
import pickle
import warnings
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipvec.errors import ClipvecError, ConfigError, ModelError, brief
from clipvec.extras import install_command
from clipvec.model.load import check_folder
from clipvec.model.preprocess import Preprocess
from clipvec.model.torch.once_in_memory import once_in_memory
from clipvec.progress import say_hub_retries_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch

    from clipvec.config import ModelConfig

SCHEMES = ("local-dir:", "hf-hub:")
"""Of ``model.pretrained`` that names a whole model."""
_SUFFIXES = (".bin", ".ckpt", ".npz", ".pt", ".pth", ".safetensors")
"""Of weights files."""


def load_weights(
    config: ModelConfig,
) -> tuple[Any, Callable[[list[str]], torch.Tensor], Preprocess]:
    """Return the model that ``config`` names, its tokenizer and its preprocessing.

    The model is open_clip's ``CLIP`` or ``CustomTextCLIP``, which share no base class, or one with
    the same ``encode_image`` and ``encode_text``.

    Raises:
        ConfigError: there is no such model, or it needs a package that is missing.
        ModelError: its weights are not there, cannot be fetched or do not fit it.
    """
    if config.arch == "sample":
        from clipvec.model.torch import sample

        model, tokenizer, preprocess = sample.build(config.folder)
    else:
        model, tokenizer, preprocess = _open_clip(config)
    return model, tokenizer, Preprocess.from_open_clip(preprocess)


def _open_clip(
    config: ModelConfig,
) -> tuple[torch.nn.Module, Callable[[list[str]], torch.Tensor], dict[str, Any]]:
    import open_clip

    scheme = config.pretrained.startswith(SCHEMES)
    source = config.pretrained if scheme else config.arch
    _check_source(config)
    say_hub_retries_once()
    tag = {} if scheme else open_clip.get_pretrained_cfg(config.arch, config.pretrained)
    try:
        # open_clip fills what a .npz of big_vision has, and does not look at what it lacks.
        whole = nullcontext() if config.pretrained.endswith(".npz") else once_in_memory()
        with warnings.catch_warnings(), _raised_only(), whole:
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
    except Exception as error:  # open_clip, torch and the hub raise many classes
        raise _refusal(config, error) from error
    return model, tokenizer, dict(open_clip.get_model_preprocess_cfg(model))


@contextmanager
def _raised_only() -> Iterator[None]:
    """Leave out the errors that open_clip (3.3) logs and then raises, as it knows no more."""

    def is_other(record: logging.LogRecord) -> bool:
        return record.levelno < logging.ERROR or Path(record.pathname).parent.name != "open_clip"

    root = logging.getLogger()
    root.addFilter(is_other)
    try:
        yield
    finally:
        root.removeFilter(is_other)


def _check_source(config: ModelConfig) -> None:
    """Refuse a name that open_clip does not know, or a missing file or folder."""
    import open_clip

    check_folder(config)
    if config.pretrained.startswith(SCHEMES):
        return
    if config.arch not in open_clip.list_models():
        raise ConfigError(
            f"model.arch={config.arch!r} is not an architecture of open_clip; "
            "python -c 'import open_clip; print(open_clip.list_models())' lists them"
        )
    tags = open_clip.list_pretrained_tags_by_model(config.arch)
    if config.pretrained not in tags and not Path(config.pretrained).is_file():
        is_path = "/" in config.pretrained or Path(config.pretrained).suffix in _SUFFIXES
        raise (ModelError if is_path else ConfigError)(  # a disk may come back, and no name
            f"model.pretrained={config.pretrained!r} is neither a file nor weights of "
            f"{config.arch}: allowed are "
            f"{', '.join(tags)}, local-dir:<folder>, hf-hub:<name>, or a file"
        )


def _preprocess_of_file(config: ModelConfig) -> dict[str, Any]:
    """Return the preprocessing for a bare weights file, which does not specify its own.

    open_clip would silently use CLIP's (open_clip#1068), which is wrong for SigLIP, for example.
    All published weights of the architecture must agree; otherwise the file needs a folder with a
    configuration.
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


def _refusal(config: ModelConfig, error: Exception) -> ClipvecError:
    where = f"model.pretrained={config.pretrained!r}"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    # open_clip raises another class where a text tower needs the package
    if isinstance(error, ImportError) or "`pip install transformers`" in lines[0]:
        return ConfigError(
            f"{config.arch} needs another package ({lines[0]}); run: "
            f"{install_command('transformers')}"
        )
    if config.folder is None and not Path(config.pretrained).is_file():
        return ModelError(
            f"{where}: the weights of {config.arch} could not be fetched ({brief(lines[0])}); "
            "check the network, or use model.pretrained=<file>, model=local "
            "model.pretrained=local-dir:<folder>, or model=sample, a small one without a hub (pip "
            "install 'clipvec[sample]')"
        )
    if isinstance(error, pickle.UnpicklingError):
        return ModelError(
            f"{where} is not a weights file of tensors only; save its state_dict again"
        )
    detail = lines[1] if len(lines) > 1 and "state_dict" in lines[0] else lines[0]
    return ModelError(f"{where} does not fit model.arch={config.arch}: {brief(detail)}")


def checksum(model: torch.nn.Module) -> str:
    """Return the SHA-256 of the parameters."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def fuse(model: Any) -> None:
    """Fuse the branches with which an image tower was trained (MobileCLIP), in place.

    The vectors stay the same; the parameters do not: `checksum` and `pack` want them as loaded.
    """
    from timm.utils import reparameterize_model

    reparameterize_model(model.visual, inplace=True)
