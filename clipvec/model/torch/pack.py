"""A model as a self-contained folder that loads without a model hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipvec.errors import ModelError

if TYPE_CHECKING:
    from clipvec.config import ModelConfig


def pack(config: ModelConfig, folder: Path) -> None:
    """Write a model's weights, tokenizer and description into a folder.

    `load` reads it with ``pretrained=local-dir:<folder>`` and the same ``arch``.

    Args:
        config: names the model; it is loaded anew, since an encoder changes its parameters.
        folder: an empty one.

    Raises:
        ModelError: the model cannot be loaded, or needs something that open_clip cannot load from
            a folder.
    """
    if config.arch == "sample":
        from clipvec.model.torch import sample

        sample.pack(folder)
        return
    from safetensors.torch import save_file

    from clipvec.model.torch.weights import load_weights

    description = _description(config)
    if "hf_model_name" in description["text_cfg"]:
        raise ModelError(
            f"model.arch={config.arch}: open_clip asks the hub how to build its text tower "
            f"({description['text_cfg']['hf_model_name']}) at every start, so it cannot be packed"
        )
    model, tokenizer, preprocessing = load_weights(config)
    # Copies, since safetensors refuses tensors that share memory.
    tensors = {name: t.clone().contiguous() for name, t in model.state_dict().items()}
    save_file(tensors, folder / "open_clip_model.safetensors")
    if hasattr(tokenizer, "save_pretrained"):  # open_clip's own tokenizer needs no files
        tokenizer.save_pretrained(folder)
    preprocess = preprocessing.to_json()
    size = [preprocess.pop("height"), preprocess.pop("width")]
    values = {"model_cfg": description, "preprocess_cfg": {"size": size, **preprocess}}
    text = json.dumps(values, indent=2)
    (folder / "open_clip_config.json").write_text(text, encoding="utf-8")


def _description(config: ModelConfig) -> dict[str, Any]:
    """Return open_clip's ``model_cfg``."""
    import open_clip

    scheme, _, name = config.pretrained.partition(":")
    if scheme in {"local-dir", "hf-hub"} and name:
        file = Path(name) / "open_clip_config.json"
        if scheme == "hf-hub":
            from huggingface_hub import hf_hub_download

            file = Path(hf_hub_download(name, file.name))
        return dict(json.loads(file.read_text(encoding="utf-8"))["model_cfg"])
    known = open_clip.get_pretrained_cfg(config.arch, config.pretrained)
    description: dict[str, Any] = open_clip.get_model_config(config.arch)
    # As `load` does (open_clip#771).
    return {**description, "quick_gelu": True} if known.get("quick_gelu") else description
