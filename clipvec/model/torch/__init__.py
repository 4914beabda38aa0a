"""torch as the runtime of a model; torch and open_clip are imported only here."""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
import torch.compiler

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def _missing(*names: str) -> Iterator[None]:
    """Let packages be found missing, those excepted that are imported already."""
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


@contextmanager
def _no_compiler() -> Iterator[None]:
    """Let torchvision (0.29) and timm (1.0) do without torch's compiler: two seconds, and 170 MB.

    They import it to ask whether the alignment of regions can be compiled, and to say that a method
    of NaFlexViT cannot; neither is of a model that clipvec runs.
    """
    name, disable = "torch._dynamo.utils", torch.compiler.disable
    if name in sys.modules:
        yield
        return
    sys.modules[name] = stub = ModuleType(name)
    stub.is_compile_supported = lambda device: False  # type: ignore[attr-defined]
    torch.compiler.disable = lambda method: method  # type: ignore[assignment, misc]
    try:
        yield
    finally:
        torch.compiler.disable = disable
        del sys.modules[name]


# timm would log trainings to wandb, transformers draft texts by scikit-learn, neither of which
# clipvec does, and importing them takes longer than open_clip itself. transformers, another two
# seconds, has the text towers of few models.
with _no_compiler(), _missing("wandb", "sklearn", "transformers"):
    import open_clip.model
    from open_clip import hf_model


def _text_tower(*arguments: Any, **options: Any) -> Any:
    """Return an ``HFTextEncoder`` of open_clip, with transformers."""
    with _missing("wandb", "sklearn"):
        importlib.reload(hf_model)
    open_clip.model.HFTextEncoder = hf_model.HFTextEncoder
    return hf_model.HFTextEncoder(*arguments, **options)


if hf_model.transformers is None:
    open_clip.model.HFTextEncoder = _text_tower
