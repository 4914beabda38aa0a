"""From a configuration to an encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.config import RUNTIMES
from clipvec.errors import ConfigError, ModelError
from clipvec.model.identity import fingerprint_of

if TYPE_CHECKING:
    from clipvec.config import ModelConfig
    from clipvec.model.encoder import Encoder
    from clipvec.store import ModelFingerprint


def load_encoder(config: ModelConfig) -> Encoder:
    """Return the encoder that ``config`` names, fetching the weights of a tag.

    Raises:
        ConfigError: there is no such model, or a package that it needs is not installed.
        ModelError: its weights cannot be fetched or do not fit it, or it cannot run as ``config``
            says.
    """
    if config.arch == "synthetic":
        raise ConfigError(
            f"model={config.name} stands for synthetic vectors and cannot embed texts or images; "
            "choose another model, and a dataset of images"
        )
    if config.arch != "sample":
        check_folder(config)
    runtime = RUNTIMES.get(config.runtime)
    assert runtime is not None  # the configuration was checked
    encoder: Encoder = runtime.load().load(config)
    return encoder


def check_folder(config: ModelConfig) -> None:
    """Refuse a ``local-dir:`` that holds no model, before a runtime is imported.

    Raises:
        ModelError: it does not.
    """
    folder = config.folder
    if folder is not None and not (folder / "open_clip_config.json").is_file():
        raise ModelError(
            f"model.pretrained={config.pretrained!r}: {folder} is not a folder with an "
            "open_clip_config.json"
        )


def load_checked(made: ModelFingerprint, config: ModelConfig, where: str) -> Encoder:
    """Return the encoder that ``config`` names, which must be the one that made the vectors.

    Args:
        made: fingerprint of the encoder that made them.
        config: the encoder to load.
        where: what holds the vectors, for the message.

    Raises:
        FingerprintError: it is a different encoder.
        ModelError: as in `load_encoder`.
    """
    encoder = load_encoder(config)
    made.check(fingerprint_of(encoder), where, f"model={config.name} ({config.pretrained})")
    return encoder
