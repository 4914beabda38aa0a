"""Aliases: names that stand for a collection."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from clipvec.config import ChromaConfig, ChromaHttpConfig, FaissConfig
from clipvec.errors import CollectionError, ConfigError, SchemaError
from clipvec.index import open_index, published
from clipvec.index.aliases import history
from clipvec.index.build import build_index
from tests.index.conftest import build_config
from tests.stores import edit, make_store


@pytest.fixture
def stores(tmp_path: Path) -> Path:
    """A root of the stores toys/toy and toys/other, of two shards."""
    made = Path(make_store(tmp_path, {0: [4], 1: [3]}).url)
    shutil.copytree(made, made.with_name("other"))
    return tmp_path


def build(root: Path, where: Any, model: str, **changes: Any) -> str:
    about = {"name": model, "arch": "toy", "pretrained": "toy"}
    return str(build_index(build_config(root, where, model=about, **changes)))


@pytest.mark.parametrize("kind", ["folder", "disk"])
def test_it_stands_for_another_collection_and_back(
    stores: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    where = request.getfixturevalue(kind)
    assert build(stores, where, "toy", alias="live").endswith("; alias: live → toys--toy")
    with open_index(where, "live") as index:
        assert index.name == "toys--toy"
    before = published(where, "live")
    build(stores, where, "other")
    assert published(where, "live") == before
    for model in ("other", "toy"):
        for _ in range(2):  # the second changes nothing
            said = build(stores, where, model, alias="live")
        assert said.endswith(f"; alias: live → toys--{model}")
        with open_index(where, "live", bare=True) as index:
            assert index.name == f"toys--{model}"
        assert (published(where, "live") == before) == (model == "toy")
    past = history(where, "live")
    assert [each.collection for each in past] == ["toys--toy", "toys--other", "toys--toy"]
    assert [each.time for each in past] == sorted(each.time for each in past)
    assert past[1].model == {"name": "toy", "arch": "toy", "pretrained": "toy"}
    with pytest.raises(CollectionError, match=r"no collection old .* choose .*=toys--toy, .*=live"):
        open_index(where, "old")


def test_what_it_stood_for_is_said(stores: Path, disk: FaissConfig) -> None:
    build(stores, disk, "toy", alias="live")
    said = build(stores, disk, "other", alias="live")
    assert said.endswith("; alias: live → toys--other (was toys--toy)")


@pytest.mark.parametrize("alias", ["toys--toy", "", "../x", "a/b", "-a", "a b", "live.", "x\n"])
def test_it_is_never_the_name_of_a_collection(stores: Path, disk: FaissConfig, alias: str) -> None:
    with pytest.raises(ConfigError, match="an alias is letters and digits, with single dashes"):
        build(stores, disk, "toy", alias=alias)
    assert not Path(disk.path).exists()


def test_a_server_keeps_none(stores: Path) -> None:
    where = ChromaHttpConfig("127.0.0.1", 1)
    with pytest.raises(ConfigError, match=r"lie in the folder .* http://127.0.0.1:1 is a server"):
        build(stores, where, "toy", alias="live")


def test_an_index_that_is_not_finished_is_no_target(stores: Path, disk: FaissConfig) -> None:
    build(stores, disk, "other", alias="live")
    unfinished = r"alias=live would .* toys--toy, of which no partition holds the shards 1; give"
    with pytest.raises(CollectionError, match=unfinished):
        build(stores, disk, "toy", alias="live", partition=0)
    build(stores, disk, "toy", partition=0)
    (stores / "toys/toy/shard-00001/done.json").rename(stores / "done.json")
    with pytest.raises(Exception, match="lacks 1 of 2 shards: 1"):
        build(stores, disk, "toy", alias="live")
    assert [each.collection for each in history(disk, "live")] == ["toys--other"]
    (stores / "done.json").rename(stores / "toys/toy/shard-00001/done.json")
    build(stores, disk, "toy", alias="live", partition=1)
    with open_index(disk, "live") as index:
        assert (index.name, index.count()) == ("toys--toy", 7)


def test_one_that_stands_for_nothing(stores: Path, folder: ChromaConfig) -> None:
    build(stores, folder, "toy", alias="live")
    build(stores, folder, "other")
    shutil.rmtree(Path(folder.path, "toys--toy"))
    gone = r"the alias live stands for toys--toy, which is not in .*; choose .*=toys--other"
    for ask in (open_index, published):
        with pytest.raises(CollectionError, match=gone):
            ask(folder, "live")


def test_a_damaged_one_is_refused(stores: Path, disk: FaissConfig) -> None:
    build(stores, disk, "toy", alias="live")
    file = Path(disk.path, "live.alias.json")
    whole = file.read_text()
    edit(file, schema_version=9)
    with pytest.raises(SchemaError, match=r"live.alias.json has schema 9, this clipvec reads"):
        open_index(disk, "live")
    file.write_text(whole.replace("toys--toy", "toys--two"))
    with pytest.raises(CollectionError, match=r"cannot be read \(its checksum .* give the alias"):
        open_index(disk, "live")
