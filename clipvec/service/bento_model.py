"""The query model of a bento: put into BentoML's model store when the bento is built."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bentoml
from bentoml.exceptions import NotFound
from bentoml.models import BentoModel

from clipvec import config, model
from clipvec.cli import fail
from clipvec.config import ModelConfig, QueryModelConfig, ServeConfig
from clipvec.errors import ClipvecError, ConfigError
from clipvec.locations import expanded
from clipvec.model import fingerprint_of

if TYPE_CHECKING:
    from bentoml import Bento

_MODEL = "clipvec-model"


class QueryModel(BentoModel):  # type: ignore[misc]  # mypy does not follow bentoml
    """What BentoML asks for the model: only a build needs it, `bentoml serve` of a checkout not."""

    def __init__(self, settings: ServeConfig) -> None:
        super().__init__(tag=_MODEL)
        object.__setattr__(self, "_settings", settings)  # BentoML's class is frozen

    def to_info(self, alias: str | None = None) -> Any:
        """Put the model into the store, for a bento that is being built, and say where."""
        try:
            tag = put(chosen(self._settings))
        except ClipvecError as error:
            fail(error)
        return BentoModel(tag).to_info(alias)

    def resolve(self, base_path: object = None) -> None:
        """Do nothing: outside of a bento the encoder is loaded as everywhere else."""


def chosen(settings: ServeConfig) -> ModelConfig:
    """Return the model that the settings name, or else the one that made the collection.

    Raises:
        CollectionError: no model is named, and there is no such collection.
        ConfigError: two models are named.
    """
    _check_alone(settings)
    from clipvec.index import open_index

    given = settings.model
    if given.name and given.arch and given.pretrained:
        return given.over(ModelConfig(given.name, given.arch, given.pretrained))
    with open_index(settings.index, *settings.wanted) as collection:
        return given.over(collection.model_config)


def _check_alone(settings: ServeConfig) -> None:
    if settings.beside is not None:
        raise ConfigError(
            f"beside={settings.beside} needs another model, and a bento holds one; leave it out, "
            "or run bentoml serve where bentofile.yaml is"
        )


def put(wanted: ModelConfig) -> str:
    """Put a model into BentoML's model store, unless it is there, and return its tag.

    What lies in the store afterwards is loaded once, and has to make the vectors of the original.

    Raises:
        ModelError: the model cannot be loaded, or cannot be packed.
        FingerprintError: what was packed is not the model.
    """
    from clipvec.model import TorchEncoder

    wanted = replace(wanted, device="cpu", precision="fp32", compile=False, runtime="torch")
    encoder = TorchEncoder.load(wanted)
    tag = f"{_MODEL}:{wanted.name.lower()}-{encoder.weights[:12]}"
    try:
        return str(bentoml.models.get(tag).tag)
    except NotFound:
        pass
    about = {key: asdict(wanted)[key] for key in ("name", "arch", "pretrained")}
    with bentoml.models.create(tag, metadata=about) as made:
        folder = Path(made.path)
        model.pack(wanted, folder)
        copy = replace(wanted, pretrained=f"local-dir:{folder}")
        where = f"model={wanted.name} ({wanted.pretrained})"
        model.load_checked(fingerprint_of(encoder), copy, where)
    return tag


def settings_of(bento: Bento, settings: ServeConfig) -> ServeConfig:
    """Return the settings of a service that runs from a bento: its model is the bento's.

    Raises:
        ConfigError: they name another model, or a folder that is relative to nobody knows what.
    """
    _check_alone(settings)
    (info,) = bento.info.all_models
    stored = bentoml.models.get(info.tag)
    packed = config.from_dict(stored.info.metadata, ModelConfig)
    wanted = settings.model.over(packed)
    if (wanted.arch, wanted.pretrained) != (packed.arch, packed.pretrained):
        raise ConfigError(
            f"model={wanted.name} ({wanted.arch}, {wanted.pretrained}) is not in the bento "
            f"{bento.tag}, which holds {packed.name} ({packed.arch}, {packed.pretrained}); "
            "leave model out of CLIPVEC_SERVE, or build another bento"
        )
    folder = settings.index.folder
    if folder is not None and not expanded(folder).is_absolute():
        raise ConfigError(
            f"index.path={folder} is relative, and a bento runs in a folder of its own; give "
            'the whole path: CLIPVEC_SERVE="index.path=/data/index"'
        )
    local = QueryModelConfig(**asdict(replace(wanted, pretrained=f"local-dir:{stored.path}")))
    return replace(settings, model=local)
