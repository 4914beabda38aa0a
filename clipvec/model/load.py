"""From a configuration to an encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.config import RUNTIMES
from clipvec.errors import ModelError
from clipvec.model.identity import fingerprint_of

if TYPE_CHECKING:
    from clipvec.config import ModelConfig
    from clipvec.model.encoder import Encoder
    from clipvec.store import ModelFingerprint


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


def load_checked(made: ModelFingerprint, config: ModelConfig, where: str) -> Encoder:
    """Return the encoder that ``config`` names, which has to be the one that made the vectors.

    Args:
        made: what the encoder that made them is known by.
        config: the encoder to load.
        where: what holds the vectors, for the message.

    Raises:
        FingerprintError: it is another encoder.
        ModelError: as `load_encoder` does.
    """
    encoder = load_encoder(config)
    made.check(fingerprint_of(encoder), where, f"model={config.name} ({config.pretrained})")
    return encoder
