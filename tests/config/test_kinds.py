"""A kind is declared once: its class has its requirements and its options."""

from __future__ import annotations

import runpy
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from clipvec import config
from clipvec.config.datasets import DATASETS, DatasetKind
from clipvec.config.kinds import Registry
from clipvec.config.models import RUNTIMES
from clipvec.errors import ConfigError
from clipvec.paths import CONF_DIR

SCHEMAS: dict[str, Any] = {
    "embed": config.EmbedConfig,
    "index": config.IndexCommandConfig,
    "recall": config.RecallConfig,
    "search": config.SearchConfig,
    "serve": config.ServeConfig,
}
SETS = runpy.run_path(str(CONF_DIR.parent / "scripts/resolve_requirements.py"))["SETS"]
"""The sets of extras for which a release resolves the requirements."""
REGISTRIES: tuple[Registry[Any], ...] = (DATASETS, RUNTIMES)


def read(command: str, *overrides: str) -> Any:
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        return config.read(compose(command, overrides=list(overrides)), SCHEMAS[command])


@pytest.mark.parametrize(
    ("command", "extras"),
    [
        ("embed dataset=webdataset dataset.path=x model=vit_b_32", ""),
        ("embed model=sample", "sample"),
        ("embed model=siglip2_b_16", "transformers"),
        ("embed model=vit_b_32 model.arch=roberta-ViT-B-32", "transformers"),
        ("embed model=vit_b_32 model.runtime=onnx", "onnx"),
        ("embed model=sample model.runtime=onnx", "onnx sample"),
        ("embed model=vit_b_32 dataset=huggingface dataset.path=x", "huggingface"),
        ("embed model=vit_b_32 dataset=webdataset dataset.path=s3://b/0.tar", "s3"),
        ("embed model=vit_b_32 dataset=parquet dataset.path=[gs://b/0.parquet,x]", "gcs"),
        ("embed model=vit_b_32 store.root=s3://b/store dataset.path=gs://b/0.tar", "gcs s3"),
        ("embed model=vit_b_32 tracking=offline", ""),
        ("index model=sample store.root=s3://b/store", "s3"),
        ("index dataset=huggingface", ""),
        ("index tracking=offline", "dashboard"),
        ("recall model=vit_b_32", "recall"),
        ("recall model=sample store.root=gs://b/store", "gcs recall sample"),
        ("search", ""),
        ("serve", "serve"),
        ("serve model.runtime=onnx", "onnx serve"),
        ("serve model=siglip2_b_16", "serve transformers"),
    ],
)
def test_extras_of_a_configuration(
    command: str, extras: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipvec.extras.find_spec", lambda _: None)
    assert_extras(command, extras)


@pytest.mark.parametrize(
    ("command", "extras"),
    [
        ("embed model=sample", "heic jxl raw sample"),
        ("embed experiment=synthetic", ""),
        ("index", ""),
    ],
)
def test_jobs_read_what_is_read_where_they_are_launched(
    command: str, extras: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipvec.extras.find_spec", lambda _: True)
    assert_extras(command, extras)


def assert_extras(command: str, extras: str) -> None:
    name, *overrides = command.split()
    assert config.extras_for(read(name, *overrides)) == tuple(extras.split())
    assert set(extras.split()) <= set(SETS.get(f"clipvec.{name}", SETS["clipvec"]))


def test_a_release_resolves_every_extra() -> None:
    project = tomllib.loads((CONF_DIR.parent / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(SETS["everything"]) == set(project["project"]["optional-dependencies"]) - {"dev"}


def test_a_path_mounted_by_skypilot_needs_no_extra() -> None:
    cloud = config.CloudConfig("aws", file_mounts={"/store": "s3://b", "/x": {"source": "s3://b"}})
    assert config.extras_for(cloud) == ()


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.group)
def test_every_kind_has_its_module_and_extras(registry: Registry[Any]) -> None:
    project = (CONF_DIR.parent / "pyproject.toml").read_text(encoding="utf-8")
    for kind in registry.own:
        assert isinstance(kind.load(), type)
        assert all(f"\n{extra} = [" in project for extra in kind.extras)


def test_row_settings_are_options() -> None:
    for kind in DATASETS.own:
        assert set(kind.row_settings) <= set(kind.__dataclass_fields__)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"kind": "zip", "name": "x"},
            "dataset.kind='zip': one of folder, huggingface, parquet, synthetic, webdataset",
        ),
        ({"name": "x"}, "dataset.kind is not set; give it as dataset.kind=..."),
        ({"kind": "folder", "name": "x"}, "dataset.path is not set; give it as dataset.path=..."),
        ({"kind": "folder", "name": "x", "path": "x", "size": 3}, "dataset.size is not an option"),
        ("folder", "dataset.kind is not set"),
    ],
)
def test_an_invalid_dataset_is_refused(values: object, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        config.from_dict({"dataset": values}, dict[str, config.DatasetConfig])
    assert str(error.value).startswith(message)


def test_an_invalid_runtime_is_refused() -> None:
    values = {"name": "x", "arch": "x", "pretrained": "x", "runtime": "tvm"}
    with pytest.raises(ConfigError, match=r"^runtime='tvm': one of onnx, torch$"):
        config.from_dict(values, config.ModelConfig)


def test_a_section_is_written_as_its_kind() -> None:
    made = config.FolderConfig(name="x", path="/photos")
    assert config.from_dict(made, config.DatasetConfig) is made  # type: ignore[arg-type]
    assert config.to_dict(made)["path"] == "/photos"
    assert config.from_dict(config.to_dict(made), config.DatasetConfig) == made  # type: ignore[arg-type]


def test_a_package_that_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = tmp_path / "broken-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[clipvec.datasets]\nmine = nowhere:Config\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    with pytest.raises(ConfigError, match=r"^mine, of broken, cannot be imported: ModuleNotFound"):
        DATASETS.read({"kind": "mine"})
    assert "mine" in DATASETS.names()


def test_entry_points_are_read_only_for_unknown_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(**_: object) -> object:
        raise AssertionError("entry points were read")

    monkeypatch.setattr("clipvec.config.kinds.entry_points", read)
    made = DATASETS.read({"kind": "folder", "name": "x", "path": "x"})
    assert isinstance(made, DatasetKind)
    assert RUNTIMES.check("onnx") == "onnx"
