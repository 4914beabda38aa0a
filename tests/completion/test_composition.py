"""The keys of a command are those that Hydra composes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from clipvec.completion.composition import Composition
from clipvec.config.commands import SCHEMAS
from clipvec.paths import CONF_DIR

FOLDERS = [CONF_DIR]


def flat(values: Any, prefix: str = "") -> set[str]:
    found = set()
    for key, value in values.items():
        inner = flat(value, f"{prefix}{key}.") if isinstance(value, dict) else set()
        found |= inner or {f"{prefix}{key}"}
    return found


def hydras(name: str, *overrides: str) -> tuple[set[str], dict[str, str | None]]:
    """Return the keys and the groups that Hydra composes."""
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        made = compose(name, overrides=list(overrides), return_hydra_config=True)
    groups = {k: v for k, v in made.hydra.runtime.choices.items() if not k.startswith("hydra/")}
    values = OmegaConf.to_container(OmegaConf.masked_copy(made, [k for k in made if k != "hydra"]))
    return flat(values), groups


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_a_command_takes(name: str) -> None:
    made = Composition(name, {}, FOLDERS)
    keys, groups = hydras(name)
    assert made.values.keys() == keys
    assert {group: made.groups[group] for group in groups} == groups
    assert made.groups.keys() - groups.keys() <= {"model"}  # of search and serve: nothing chosen


@pytest.mark.parametrize(
    "choice",
    [
        *(f"{file.parent.name}={file.stem}" for file in sorted(CONF_DIR.glob("*/*.yaml"))),
        "launcher=workers tracking=disabled",
        "experiment=skypilot_example cloud=aws",
    ],
)
def test_what_is_chosen_decides(choice: str) -> None:
    words = choice.split()
    group = words[0].partition("=")[0]
    name = {"index": "index", "hnsw": "index", "prompts": "evaluate"}.get(group, "embed")
    name = "recall" if group in {"systems", "measure"} else name
    chosen = dict(word.split("=") for word in words)
    made = Composition(name, chosen, FOLDERS)
    jobs = made.values.pop("hydra.sweeper.shards_per_job", None)
    keys = {key for key in made.values if not any(k.startswith(f"{key}.") for k in made.values)}
    assert keys == hydras(name, *words)[0]
    assert (jobs == 1) == (made.values.get("launcher.kind") in {"sky", "workers"})


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset/zip.yaml").write_text("kind: zip\narchive: ???\n")
    made = Composition("embed", {"dataset": "zip"}, [tmp_path, CONF_DIR])
    assert [key for key in made.values if key.startswith("dataset.")] == [
        "dataset.kind",
        "dataset.archive",
    ]
    assert made.options("dataset")[-2:] == ["webdataset", "zip"]


def test_an_option_that_is_not_there(tmp_path: Path) -> None:
    assert "model.name" not in Composition("embed", {"model": "vit"}, FOLDERS).values


def test_groups_that_an_experiment_adds(tmp_path: Path) -> None:
    for group, text in {
        "experiment": "# @package _global_\ndefaults:\n  - /foo: bar\n  - /model@second: tiny\n",
        "foo": "size: 3\n",
        "model": "dim: 4\n",
    }.items():
        (tmp_path / group).mkdir()
        name = {"experiment": "mine", "foo": "bar", "model": "tiny"}[group]
        (tmp_path / group / f"{name}.yaml").write_text(text)
    made = Composition("embed", {"experiment": "mine"}, [tmp_path, CONF_DIR])
    assert (made.values["foo.size"], made.values["second.dim"]) == (3, 4)
    assert made.groups["foo"] == "bar"
    assert "tiny" in made.options("model@second")


@pytest.mark.parametrize(
    "text",
    ["kind: [", "only words", "- a\n- b\n", "defaults: 3x\n", "defaults:\n  - zip\n", "\udcff"],
)
def test_a_file_that_hydra_would_refuse_has_no_keys(tmp_path: Path, text: str) -> None:
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset/zip.yaml").write_bytes(text.encode(errors="surrogateescape"))
    made = Composition("embed", {"dataset": "zip"}, [tmp_path, CONF_DIR])
    assert not [key for key in made.values if key.startswith("dataset.")]
    assert "model.name" in made.values
