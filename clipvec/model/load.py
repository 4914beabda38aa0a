"""From a configuration to an encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.config import RUNTIMES
from clipvec.errors import ModelError

if TYPE_CHECKING:
    from clipvec.config import ModelConfig
    from clipvec.model.encoder import Encoder


def load_encoder(config: ModelConfig) -> Encoder:
    """Return the encoder that ``config`` names, fetching its weights if they are a tag's.

    Raises:
        ModelError: there is no such model, its weights cannot be had, they do not fit it, or
            they cannot be run as ``config`` says.
    """
    if config.arch == "synthetic":
        raise ModelError(
            f"model={config.name} stands for drawn vectors and embeds neither texts nor images; "
            "vectors of real ones come from another model and another dataset"
        )
    runtime = RUNTIMES.get(config.runtime)
    assert runtime is not None  # the configuration was checked
    encoder: Encoder = runtime.load().load(config)
    return encoder
