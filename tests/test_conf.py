"""Every option of every config group composes and matches the dataclasses."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from clipvec import config, paths
from clipvec.config.commands import SCHEMAS
from clipvec.errors import ConfigError
from clipvec.paths import CONF_DIR

SHARED = ["model", "dataset", "sharding", "store", "cloud", "launcher", "tracking", "experiment"]
GROUPS = {
    "dashboard": ["model", "dataset", "store", "tracking"],
    "deploy": ["cloud"],
    "embed": SHARED,
    "evaluate": ["model", "dataset", "store", "tracking", "prompts"],
    "index": [*SHARED, "index", "hnsw"],
    "projection": ["model", "dataset", "store"],
    "recall": [*SHARED, "index", "systems", "measure"],
    "rejects": ["model", "dataset", "store"],
    "search": ["model", "index"],
    "serve": ["model", "index"],
}
MANDATORY = {"model=local": "model.pretrained=x"} | {
    f"dataset={kind}": "dataset.path=x"
    for kind in ("webdataset", "folder", "parquet", "huggingface")
}


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF_DIR / group).glob("*.yaml"))


def read(app: str, *overrides: str) -> object:
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        cfg = compose(app, overrides=list(overrides))
    return config.read(cfg, SCHEMAS[app])


def test_reports_of_recall_are_looked_for_where_they_are_written() -> None:
    evaluate, recall = read("evaluate"), read("recall")
    assert isinstance(evaluate, config.EvaluateConfig)
    assert isinstance(recall, config.RecallConfig)
    assert Path(str(evaluate.recall_reports)) == Path(recall.report_dir).parent == paths.REPORTS


def test_every_group_is_tested() -> None:
    groups = {path.name for path in CONF_DIR.iterdir() if path.is_dir()} - {"hydra"}
    assert groups == set().union(*GROUPS.values())


@pytest.mark.parametrize("app", GROUPS)
def test_options(app: str) -> None:
    """An option of each group at once; an experiment chooses of other groups, and stands alone."""
    groups = {group: [f"{group}={o}" for o in options(group)] for group in GROUPS[app]}
    experiments = [[option] for option in groups.pop("experiment", [])]
    for chosen in [*zip_longest(*groups.values()), *experiments]:
        overrides = [option for option in chosen if option]
        overrides += [MANDATORY[option] for option in overrides if option in MANDATORY]
        assert isinstance(read(app, *overrides), SCHEMAS[app]), overrides


@pytest.mark.parametrize("override", sorted(MANDATORY))
def test_a_missing_mandatory_option_is_named(override: str) -> None:
    key = MANDATORY[override].split("=")[0]
    with pytest.raises(ConfigError, match=f"{key} is not set; give it as {key}=..."):
        read("embed", override)


def test_models_are_in_open_clip() -> None:
    import open_clip

    for name in options("model"):
        if name in {"local", "sample", "synthetic"}:
            continue
        model = read("embed", f"model={name}")
        assert isinstance(model, config.EmbedConfig)
        tags = open_clip.list_pretrained_tags_by_model(model.model.arch)
        assert model.model.pretrained in tags


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+dataset.colour=red", "dataset.colour is not an option here"),
        ("+dataset.attributes.n=integer", "dataset.attributes.n='integer': input should be"),
        ("dataset.limit=0", "dataset.limit=0: input should be greater than or equal to 1"),
        ("dataset.limit=-5", "dataset.limit=-5: input should be greater than or equal to 1"),
        ("dataset.limit=many", "dataset.limit='many': input should be a valid integer"),
        ("model.precision=fp8", "model.precision='fp8': input should be 'auto', 'fp32', 'fp16'"),
        ("model.name=../etc", "model.name='../etc': allowed are letters of A to Z, digits and . _"),
        (
            "+dataset.attributes={_a: int}",
            "'_a': allowed are letters of A to Z, digits and _ . -; a",
        ),
        ("cloud.secrets=[a-b]", "'a-b': allowed are letters of A to Z, digits and _, no digit in"),
        (
            "tracking.mode=on",
            "tracking.mode='on': input should be 'disabled', 'offline' or 'online'",
        ),
        ("tracking.log_interval_s=0", "tracking.log_interval_s=0: input should be greater than 0"),
        ("tracking.project=a/b", "tracking.project='a/b': allowed are at least one"),
        ("max_reject_fraction=2", "max_reject_fraction=2: input should be less than or equal"),
    ],
)
def test_wrong_values_are_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        read("embed", override)
    assert message in str(error.value)


@pytest.mark.parametrize("dataset", sorted({*options("dataset")} - {"synthetic"}))
def test_every_dataset_of_images_can_be_limited(dataset: str) -> None:
    extra = MANDATORY.get(f"dataset={dataset}", f"dataset.name={dataset}")
    for given, limit in {"null": None, "1": 1, "1e6": 1_000_000}.items():
        made = read("embed", f"dataset={dataset}", extra, f"dataset.limit={given}")
        assert isinstance(made, config.EmbedConfig)
        assert made.dataset.limit == limit


def test_the_example_of_skypilot_is_its_first_million() -> None:
    made = read("embed", "experiment=skypilot_example")
    assert isinstance(made, config.EmbedConfig)
    assert (made.dataset.name, made.dataset.limit, made.sharding.count) == (
        "imagenet",
        1_000_000,
        100,
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+systems.hnsw.ef=3", "systems.hnsw.ef is not an option here"),
        ("+systems.mine.kind=faiss", "systems.mine.factory is not set"),
        ("systems.hnsw.kind=annoy", "'annoy': one of chroma, chroma_http, disk, faiss"),
        ("systems.chroma.sweep.ef_search=[0]", "systems.chroma.sweep.ef_search.0=0: input"),
        ("+systems.chroma_http.sweep.M=[1]", "systems.chroma_http.sweep.M.[key]='M'"),
        ("systems.hnsw.sweep.efSearch=[]", "systems.hnsw.sweep.efSearch=[]: list should"),
        ("measure.selectivities=[1.5]", "measure.selectivities.0=1.5: input should be less than"),
        ("measure.recall_at=[]", "measure.recall_at=[]: list should have at least 1 item"),
    ],
)
def test_wrong_systems_are_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        read("recall", override)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("launcher", "mode"), [("local", "disabled"), ("workers", "offline"), ("sky", "offline")]
)
def test_sweeps_are_tracked_offline(launcher: str, mode: str) -> None:
    made = read("embed", f"launcher={launcher}")
    assert isinstance(made, config.EmbedConfig)
    assert made.tracking.mode == mode
    chosen = read("embed", f"launcher={launcher}", "tracking=online")
    assert isinstance(chosen, config.EmbedConfig)
    assert chosen.tracking.mode == "online"


def test_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("HF_TOKEN=from-file\nCHROMA_TOKEN=from-file\n")
    monkeypatch.setenv("CHROMA_TOKEN", "from-environment")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)
    config.load_env()
    import os

    assert os.environ["HF_TOKEN"] == "from-file"
    assert os.environ["CHROMA_TOKEN"] == "from-environment"
    del os.environ["HF_TOKEN"]  # monkeypatch would restore it for later tests
