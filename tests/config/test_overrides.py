from __future__ import annotations

from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from clipvec import config
from clipvec.errors import ConfigError


def value_of(override: str) -> object:
    """Return the value that Hydra parses from an override, within a config."""
    parsed = OverridesParser.create().parse_override(override)
    made = OmegaConf.create({"key": parsed.value()})
    return OmegaConf.to_container(made, resolve=True)["key"]  # type: ignore[index, call-overload]


@given(st.text(alphabet="\\'\"${}[]()=,:~#; ab0\n\té🐦", max_size=12))
def test_any_text_round_trips(text: str) -> None:
    assert value_of(config.override("key", text)) == text


@pytest.mark.parametrize(
    "value", [None, True, 3, -0.5, 1e-9, [], [1, "a, b"], {"a": {"b": [None, "x y"]}}], ids=str
)
def test_values(value: object) -> None:
    assert value_of(config.override("key", value)) == value


def test_paths_and_ranges() -> None:
    assert value_of(config.override("key", Path("a b/c"))) == "a b/c"
    assert value_of(config.override("key", range(3))) == [0, 1, 2]


def test_other_types() -> None:
    with pytest.raises(ConfigError, match=r"\{1\} is no value of an option; give None, a bool"):
        config.override("key", {1})


def test_compose_leaves_an_outer_hydra_alone() -> None:
    outer = GlobalHydra.instance()
    outer.hydra = marker = object()  # type: ignore[assignment]
    try:
        found = config.read_command("search", ["collection=a--b"], config.SearchConfig)
        assert outer.hydra is marker
    finally:
        outer.hydra = None
    assert found.collection == "a--b"
