#!/usr/bin/env bash
# open_clip: the function that casts weights to half precision raises on SigLIP models.
#
# Versions: open_clip_torch 3.3.0, torch 2.14.1, torchvision 0.29.1, timm 1.0.31.
# Guess: `convert_weights_to_lp`, public and without a note of exceptions, takes every model that
#   `create_model` returns.
# Seen: it casts ViT-B-32 and CoCa, and raises AttributeError for ViT-B-16-SigLIP2, whose text
#   projection has a bias: it is a Linear, where the function expects a bare tensor. By then the
#   weights of many layers are in half precision, so the model cannot be used any more either.
#   `create_model(..., precision="bf16")` does not call it for such models and works.
# Matters: code that casts a loaded model (to save memory, or autocast's casts in every call) works
#   for CLIP and fails for the models that replace it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet \
  open_clip_torch==3.3.0 torch==2.14.1 torchvision==0.29.1 timm==1.0.31
"$folder/venv/bin/python" - <<'PY'
import logging

import open_clip
import torch

logging.disable(logging.WARNING)  # that the weights are random


def cast(name: str) -> tuple[str, set[torch.dtype]]:
    model = open_clip.create_model(name, pretrained_hf=False)
    try:
        open_clip.convert_weights_to_lp(model, torch.bfloat16)
    except AttributeError as error:
        said = str(error)
    else:
        said = "cast"
    linear = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    return said, {each.weight.dtype for each in linear}


seen = {name: cast(name) for name in ("ViT-B-32", "coca_ViT-B-32", "ViT-B-16-SigLIP2")}
for name, (said, dtypes) in seen.items():
    print(f"{name}: {said}; Linear layers: {sorted(map(str, dtypes))}")
assert seen["ViT-B-32"] == seen["coca_ViT-B-32"] == ("cast", {torch.bfloat16})
said, dtypes = seen["ViT-B-16-SigLIP2"]
assert said == "'Linear' object has no attribute 'data'"
assert torch.bfloat16 in dtypes

whole = open_clip.create_model("ViT-B-16-SigLIP2", pretrained_hf=False, precision="bf16")
print("create_model(precision='bf16'):", whole.text.text_projection.weight.dtype)
assert whole.text.text_projection.weight.dtype == torch.bfloat16
PY
