from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clipvec import config
from clipvec.errors import FingerprintError, StoreError
from clipvec.store import Fingerprint, Golden, ModelFingerprint, Store
from clipvec.store.reading import PartReader

MODEL = ModelFingerprint("ViT-X", "a" * 64, {"height": 64}, 2, Golden([1.0, 0.0], [0.0, 1.0]))
PRINT = Fingerprint(
    {"name": "pets", "kind": "parquet", "digest": "d" * 64, "caption": None},
    10,
    {"label": "string"},
    "float16",
    256,
    MODEL,
    "fp32",
    "9.9",
)


def data(**changes: object) -> dict[str, object]:
    values = PRINT.to_json()
    del values["model"]
    return values | changes


def test_json_round_trip() -> None:
    assert Fingerprint.from_json(PRINT.to_json()) == PRINT


def test_same_data_passes() -> None:
    PRINT.check_data(data(), "the store")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sharding_count": 20}, "made with sharding.count 10, not 20: use sharding.count=10"),
        ({"dtype": "float32"}, "made with store.dtype float16, not float32: use store.dtype"),
        (
            {"dataset": {**PRINT.dataset, "digest": "e" * 64}},
            "digest: dddddddddddd…, caption: None}, not {name: pets",
        ),
        (
            {"dataset": {**PRINT.dataset, "caption": "text"}},
            "made with dataset.caption None, not text: use dataset.caption=null, or another",
        ),
        (
            {"dataset": {**PRINT.dataset, "revision": "1f"}},
            "made with dataset.revision None, not 1f: use dataset.revision=null, or another",
        ),
        (
            {"dataset": {"name": "pets", "kind": "folder", "caption": "text"}},
            "the dataset has changed or is a different one",
        ),
        (
            {"attributes": {}},
            ": use '~dataset.attributes' '+dataset.attributes={label: string}', or another",
        ),
    ],
)
def test_other_data_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(FingerprintError) as error:
        PRINT.check_data(data(**changes), "the store")
    assert message in str(error.value)


@pytest.mark.parametrize("kind", ["folder", "webdataset"])
@pytest.mark.parametrize("made", [{}, {"folder": "string", "stars": "int"}])
def test_the_options_that_it_names_give_the_attributes(made: dict[str, str], kind: str) -> None:
    with pytest.raises(FingerprintError) as error:
        replace(PRINT, attributes=made).check_data(data(attributes={"year": "int"}), "the store")
    words = shlex.split(str(error.value).partition(": use ")[2].partition(", or another")[0])
    given = [f"dataset={kind}", "dataset.path=/x", "dataset.name=x", *words]
    assert config.read_command("embed", given, config.EmbedConfig).dataset.attributes == made


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": "b" * 64}, "model weights aaaaaaaaaaaa…, model=x has bbbbbbbbbbbb…"),
        (
            {"preprocessing": {"height": 224}},
            "preprocessing {height: 64}, model=x has {height: 224}",
        ),
        ({"dim": 3}, "model dim 2, model=x has 3"),
        ({"golden": Golden([0.0, 1.0], [0.0, 1.0])}, "embeds the probe with cosine 0.0000"),
        ({"golden": Golden([np.nan, 1.0], [0.0, 1.0])}, "embeds the probe with cosine nan"),
    ],
)
def test_other_model_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(FingerprintError) as error:
        MODEL.check(replace(MODEL, **changes), "the store", "model=x")  # type: ignore[arg-type]
    assert message in str(error.value)


def test_half_precision_is_the_same_model() -> None:
    MODEL.check(replace(MODEL, golden=Golden([1.0, 0.01], [0.01, 1.0])), "the store", "model=x")


def test_store_is_found_again(tmp_path: Path) -> None:
    url = str(tmp_path / "store")
    assert Store.find(url) is None
    with pytest.raises(StoreError, match=r"there is no store at .*; create it with clipvec embed"):
        Store.open(url)
    Store.create(url, PRINT, {"arch": "ViT-X"})
    again = Store.open(url)
    assert again.fingerprint == PRINT
    assert again.model == {"arch": "ViT-X"}


def test_the_stores_beside_one_that_is_not_there_are_named(tmp_path: Path) -> None:
    Store.create(str(tmp_path / "toy"), PRINT, {"arch": "ViT-X"})
    with pytest.raises(StoreError, match=r"/other; there is one: model\.name=toy; create it"):
        Store.open(str(tmp_path / "other"))


def test_the_only_store_of_a_root_is_named_by_all_its_options(tmp_path: Path) -> None:
    Store.create(str(tmp_path / "Pictures" / "sample"), PRINT, {"arch": "ViT-X"})
    named = r"dataset\.name=Pictures model=sample"
    with pytest.raises(StoreError, match=rf"/vit_b_32; there is one: {named}; create it"):
        Store.open(str(tmp_path / "sample" / "vit_b_32"))


def test_the_stores_of_a_root_are_named_that_most_alike_first(tmp_path: Path) -> None:
    names = ("Pictures", "Pictures-2019", "Zebras")
    for name in reversed(names):
        Store.create(str(tmp_path / name / "toy"), PRINT, {"arch": "ViT-X"})
    named = ", or ".join(f"dataset.name={name} model.name=toy" for name in names)
    with pytest.raises(StoreError, match=rf"/Pictuers/toy; there is a choice: {named}; create"):
        Store.open(str(tmp_path / "Pictuers" / "toy"))


def test_foreign_store_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.json").write_text('{"schema_version": 5}')
    with pytest.raises(StoreError, match=r"store\.json is not what embed wrote"):
        Store.find(str(tmp_path))


@pytest.mark.parametrize("make", [os.mkfifo, lambda file: file.symlink_to("/dev/zero")])
def test_a_store_json_that_is_no_file(tmp_path: Path, make: Callable[[Path], object]) -> None:
    """It never ends, or waits for who writes there."""
    make(tmp_path / "store.json")
    said = r"store\.json is not what .*it is a (pipe|device), not a regular file"
    with pytest.raises(StoreError, match=said):
        Store.find(str(tmp_path))


def test_attributes_of_no_known_type() -> None:
    """As after one flipped bit of ``store.json``."""
    with pytest.raises(ValueError, match=r"^attributes \{'nice': 'bonl'\}$"):
        Fingerprint.from_json(PRINT.to_json() | {"attributes": {"nice": "bonl"}})


def test_a_store_that_is_there_is_adopted_without_a_look_at_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, looks = str(tmp_path / "toy"), list[str]()
    monkeypatch.setattr(PartReader, "check_begun", lambda _: looks.append("look"))
    for _ in range(2):
        Store.create(url, PRINT, {"arch": "ViT-X"})
    assert len(looks) == 1
