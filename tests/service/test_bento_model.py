"""The contents of a bento."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from hydra import compose, initialize_config_dir

from clipvec import config, model, paths
from clipvec.config import ModelConfig, ServeConfig
from clipvec.errors import CollectionError, ConfigError

with warnings.catch_warnings():  # BentoML 1.4.39 raises some of its own
    warnings.simplefilter("ignore", DeprecationWarning)
    import bentoml
    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.models import ModelStore

    from clipvec.service import bento_model

ROOT = Path(__file__).parents[2]


@pytest.fixture
def models(tmp_path: Path) -> Iterator[ModelStore]:
    """A separate model store."""
    before = BentoMLContainer.model_store.get()
    store = ModelStore(tmp_path)
    BentoMLContainer.model_store.set(store)
    yield store
    BentoMLContainer.model_store.set(before)


def settings(path: str = "/data/index", **chosen: str) -> ServeConfig:
    with initialize_config_dir(str(paths.CONF_DIR), version_base="1.3"):
        overrides = [f"model.{key}={value}" for key, value in chosen.items()]
        composed = compose("serve", [f"index.path={path}", *overrides])
    return config.read(composed, ServeConfig)


def bento(tag: str) -> object:
    """The inspected part of a bento."""
    model = SimpleNamespace(tag=tag)
    return SimpleNamespace(tag="bento:1", info=SimpleNamespace(all_models=[model]))


def test_a_model_is_stored_once_and_found_by_the_service(
    models: ModelStore, tiny_weights: Path
) -> None:
    wanted = ModelConfig("Tiny", "tiny", f"local-dir:{tiny_weights}", device="cpu")
    tag = bento_model.put(wanted)
    assert tag == f"clipvec-model:tiny-{model.load_encoder(wanted).weights[:12]}"
    written = Path(bentoml.models.get(tag).path, "open_clip_model.safetensors").stat()
    assert bento_model.put(wanted) == tag
    assert Path(bentoml.models.get(tag).path, "open_clip_model.safetensors").stat() == written

    found = bento_model.settings_of(bento(tag), settings())
    assert (found.model.name, found.model.arch) == ("Tiny", "tiny")
    assert found.model.pretrained == f"local-dir:{bentoml.models.get(tag).path}"
    found = bento_model.settings_of(bento(tag), settings(device="cuda"))
    assert found.model.device == "cuda"
    with pytest.raises(ConfigError, match=r"model=vit_b_32 .* is not in the bento bento:1, which"):
        bento_model.settings_of(bento(tag), settings(name="vit_b_32", arch="ViT-B-32"))
    with pytest.raises(ConfigError, match=r"index.path=data/index is relative"):
        bento_model.settings_of(bento(tag), settings("data/index"))
    with pytest.raises(ConfigError, match=r"beside=photos--b needs another model, and a bento hol"):
        bento_model.settings_of(bento(tag), replace(settings(), beside="photos--b"))


def test_without_a_model_the_collection_is_needed(tmp_path: Path) -> None:
    with pytest.raises(CollectionError):
        bento_model.chosen(settings(str(tmp_path)))


def test_packages_are_those_of_the_project() -> None:
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["serve"]]
    wanted += [package for package in extras["sample"] if package.startswith("transformers")]
    file = yaml.safe_load((ROOT / "bentofile.yaml").read_text())
    assert file["python"]["packages"] == wanted
