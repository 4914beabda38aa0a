"""What importing open_clip pulls in."""

from __future__ import annotations

import importlib
import subprocess
import sys

import clipvec.model.torch

CODE = """
import sys
from importlib.util import find_spec
import clipvec.model.torch.encoder
unused = {"wandb", "sklearn", "transformers", "sympy", "torch._dynamo", "torch._dynamo.utils"}
print(sorted({"open_clip", "timm", *unused} & set(sys.modules)))
import wandb
print(wandb.__name__, *(find_spec(name).name for name in ("sklearn", "transformers")))
import torch
import torchvision
print(torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1)))
print(torchvision.ops.roi_align(torch.ones(1, 1, 2, 2), torch.zeros(1, 5), 1).shape)
"""


def test_optional_packages_of_open_clip_are_imported_lazily() -> None:
    """Importing them took longer than open_clip itself; later imports still work."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    lines = "['open_clip', 'timm']", "wandb sklearn transformers", "tensor([2.])"
    assert done.stdout.splitlines() == [*lines, "torch.Size([1, 1, 1, 1])"]


def test_packages_already_imported_stay() -> None:
    import wandb

    importlib.reload(clipvec.model.torch)
    assert sys.modules["wandb"] is wandb
