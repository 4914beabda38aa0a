"""What importing open_clip pulls in."""

from __future__ import annotations

import importlib
import subprocess
import sys

import clipvec.model.torch

CODE = """
import sys
import clipvec.model.torch
print(sorted({"open_clip", "wandb", "sklearn", "transformers"} & set(sys.modules)))
import sklearn, transformers, wandb
print(sklearn.__name__, transformers.__name__, wandb.__name__)
"""


def test_optional_packages_of_open_clip_are_imported_lazily() -> None:
    """Importing them took longer than open_clip itself; later imports still work."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout == "['open_clip']\nsklearn transformers wandb\n"


def test_packages_already_imported_stay() -> None:
    import wandb

    importlib.reload(clipvec.model.torch)
    assert sys.modules["wandb"] is wandb
