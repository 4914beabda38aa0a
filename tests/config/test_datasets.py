"""Options of datasets, composed like a command does."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from clipvec.config import (
    EmbedConfig,
    FolderConfig,
    IndexCommandConfig,
    override,
    read,
    read_command,
)
from clipvec.errors import ConfigError
from clipvec.paths import CONF_DIR


def composed(*overrides: str) -> EmbedConfig:
    with initialize_config_dir(str(CONF_DIR), version_base=None):
        return read(compose("embed", overrides=list(overrides)), EmbedConfig)


def test_what_a_folder_skips() -> None:
    folder = composed("dataset=folder", "dataset.path=x").dataset
    photos = {"folder": "string", "file": "string", "taken": "string", "year": "int"}
    expected = FolderConfig(name="x", path="x", attributes={**photos, "camera": "string"})  # type: ignore[arg-type]
    assert folder == expected, "the same default in Python"
    overrides = ("dataset.exclude=['.*',thumbs]", "dataset.follow_links=true")
    folder = composed("dataset=folder", "dataset.path=x", *overrides).dataset
    assert isinstance(folder, FolderConfig)
    assert (folder.exclude, folder.follow_links) == ([".*", "thumbs"], True)


@pytest.mark.parametrize(
    ("overrides", "count"),
    [
        (["dataset=folder", "dataset.path=x"], None),
        (["dataset=folder", "dataset.path=x", "dataset.num_images=70"], 70),
        (["dataset=imagenet"], 1_281_167),
        (["dataset=imagenet", "dataset.limit=1000"], 1000),
        (["dataset=sample", "dataset.limit=1000"], 364),
        (["experiment=synthetic"], 50_000),
    ],
)
def test_how_many_images_are_expected(overrides: list[str], count: int | None) -> None:
    assert composed(*overrides).dataset.expected_items == count


@pytest.mark.parametrize("kind", ["folder", "webdataset"])
def test_the_encoding_of_captions(kind: str) -> None:
    dataset = composed(f"dataset={kind}", "dataset.path=x", "dataset.encoding=Windows-1252").dataset
    assert dataset.encoding == "cp1252"  # type: ignore[attr-defined]
    with pytest.raises(ConfigError) as caught:
        composed(f"dataset={kind}", "dataset.path=x", "dataset.encoding=ansi")
    assert str(caught.value) == (
        "dataset.encoding='ansi': no encoding that Python knows; cp1252 is one"
    )


@pytest.mark.parametrize(
    ("overrides", "value"),
    [
        (["dataset=folder", "dataset.path="], "dataset.path=''"),
        (["dataset=webdataset", "dataset.path="], "dataset.path=''"),
        (["dataset=webdataset", "dataset.path=[x,'']"], "dataset.path=['x', '']"),
        (["dataset=parquet", "dataset.path=''"], "dataset.path=''"),
        (["dataset=huggingface", "dataset.path="], "dataset.path=''"),
        (["store.root="], "store.root=''"),
    ],
)
def test_a_path_from_an_unset_variable(overrides: list[str], value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        composed(*overrides)
    assert str(caught.value) == (
        f"{value}: empty, as from a shell's variable that is not set; name a place"
    )


def test_an_index_path_from_an_unset_variable() -> None:
    with (
        initialize_config_dir(str(CONF_DIR), version_base=None),
        pytest.raises(ConfigError, match=r"^index\.path='': empty, as from a shell's variable"),
    ):
        read(compose("index", overrides=["index.path="]), IndexCommandConfig)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/mnt/nas/Ömer's photos [2020]/", "Omer-s-photos-2020"),
        ("~/Pictures", "Pictures"),
        ("s3://bucket/photos/", "photos"),
        ("/data/..hidden_", "hidden"),
        ("/照片", "folder"),
        ("/", "folder"),
        ("/" + "x" * 80, "x" * 64),
    ],
)
def test_a_folder_gives_its_name(path: str, name: str) -> None:
    asked = ["dataset=folder", override("dataset.path", path)]
    dataset = composed(*asked).dataset
    assert dataset.name == name
    assert read_command("index", asked, IndexCommandConfig).dataset.name == name
    assert dataset.place == ("" if "://" in path else str(Path(path).expanduser()))
    named = composed(*asked, "dataset.name=mine").dataset
    assert (named.name, named.place) == ("mine", "")


def test_a_name_without_a_folder() -> None:
    with pytest.raises(ConfigError) as caught:
        read_command("index", ["dataset=folder"], IndexCommandConfig)
    assert str(caught.value) == (
        "dataset.path is not set; give it as dataset.path=..., or the name of a store that it made "
        "as dataset.name=..."
    )
