"""torch as the runtime of a model; torch and open_clip are imported only here."""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

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


# timm would log trainings to wandb, transformers draft texts by scikit-learn, neither of which
# clipvec does, and importing them takes longer than open_clip itself. transformers, another two
# seconds, has the text towers of few models.
with _missing("wandb", "sklearn", "transformers"):
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
