"""Hydra's errors in clipvec's words."""

from __future__ import annotations

import pytest

from clipvec import config
from clipvec.config.commands import SCHEMAS
from clipvec.errors import ConfigError


@pytest.mark.parametrize(
    ("command", "override", "line"),
    [
        ("embed", "dataset.pth=3", "dataset.pth is not an option here; did you mean dataset.path?"),
        ("embed", "+dataset.pth=3", "dataset.pth is not an option here; did you mean dataset.path"),
        ("embed", "hydra.run.dirr=x", "hydra.run.dirr is not an option here; did you mean hydra.r"),
        (
            "embed",
            "model.pretrained=~/x",
            "cannot parse model.pretrained=~/x; quote a value with ~ { } = , or spaces once for "
            "the shell and once for Hydra: 'key=\"value\"'",
        ),
        ("embed", "zzz=1", "zzz is not an option here; --help lists them"),
        ("embed", "+model=sample", "model has its place already; write model=..., without +"),
        ("embed", "~foo", "foo is not an option here; --help lists them"),
        (
            "embed",
            "cloud.resources.cpu=4",
            "cloud.resources.cpu is not an option here; did you mean cloud.resources.cpus?",
        ),
        (
            "embed",
            "dataset.attributes.width=int",
            "dataset.attributes.width is not set yet; add it as +dataset.attributes.width=...",
        ),
        ("embed", "sharding=x20", "sharding=x20: no such option; did you mean x10"),
        ("search", "model=sampl", "model=sampl: no such option; did you mean sample? There are "),
        (
            "embed",
            "model.name=vit--l",
            "model.name='vit--l': allowed are letters of A to Z, digits and . _ -",
        ),
        ("serve", "model=onnxed", "model=onnxed: no such option; there are dfn2b_l_14, "),
        ("serve", "colection=a", "colection is not an option here; did you mean collection?"),
        ("serve", "dataset=sampl", "dataset=sampl: no such option; did you mean sample?"),
        ("search", "index.pth=a", "index.pth is not an option here; did you mean index.path?"),
    ],
)
def test_invalid_values_are_refused(command: str, override: str, line: str) -> None:
    with pytest.raises(ConfigError) as error:
        config.read_command(command, [override], SCHEMAS[command])
    assert str(error.value).startswith(line)


@pytest.mark.parametrize("command", sorted({*SCHEMAS} - {"embed", "search", "serve", "deploy"}))
def test_a_store_can_be_named_by_what_it_was_called(command: str) -> None:
    with pytest.raises(ConfigError, match=r"^model=mine: .* is named by model\.name=mine$"):
        config.read_command(command, ["model=mine"], SCHEMAS[command])


@pytest.mark.parametrize(
    ("command", "overrides", "end"),
    [
        ("index", ["index.host=a"], "; it is one of index=chroma_http"),
        ("index", ["+index.nprobe=3"], "; it is one of index=faiss"),
        ("embed", ["launcher.processes=2"], "; it is one of launcher=workers, which -m starts"),
        ("embed", ["dataset=parquet", "dataset.exclude=[]"], "; it is one of dataset=folder"),
        ("embed", ["index.prt=1"], "; --help lists them"),
        ("index", ["index.prt=1"], "; did you mean index.path?"),
        ("index", ["index=chroma_http", "index.prt=1"], "; did you mean index.port?"),
        (
            "embed",
            ["dataset=synthetic", "+dataset.limit=5"],
            "; it is one of dataset=folder or dataset=huggingface or dataset=parquet or "
            "dataset=webdataset",
        ),
    ],
)
def test_an_option_of_another_kind(command: str, overrides: list[str], end: str) -> None:
    with pytest.raises(ConfigError) as error:
        config.read_command(command, overrides, SCHEMAS[command])
    key = overrides[-1].partition("=")[0].lstrip("+")
    assert str(error.value) == f"{key} is not an option here{end}"
