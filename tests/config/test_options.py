"""Options as declared by the dataclasses."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from clipvec import config
from clipvec.config.commands import SCHEMAS
from clipvec.config.options import REQUIRED, Option, describe, sections


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (int, "int"),
        (Any, "any"),
        (Annotated[int, Field(ge=1, le=9)], "int 1 to 9"),
        (Annotated[float, Field(gt=0)] | None, "float > 0 or null"),
        (Literal["a", "b"], "a, b"),
        (str | list[str], "str or list of str"),
        (dict[str, int], "mapping"),
    ],
)
def test_types(hint: Any, text: str) -> None:
    assert describe(hint) == text


def test_an_option() -> None:
    own, *_ = sections(config.EmbedConfig)
    assert own.key == ""
    (found,) = (option for option in own.options if option.key == "batch_size")
    assert found == Option(
        key="batch_size",
        type="int 1 to 65536",
        default=REQUIRED,
        text="Images per forward pass.",
        is_choice=False,
        is_mapping=False,
    )


def test_kinds_are_distinguished() -> None:
    kinds = [s.tags["index.kind"] for s in sections(config.SearchConfig) if s.key == "index"]
    assert kinds == [("chroma",), ("chroma_http",), ("faiss",)]


@pytest.mark.parametrize("command", SCHEMAS)
def test_every_option_is_explained(command: str) -> None:
    found = sections(SCHEMAS[command])
    bare = [o.key for s in found for o in s.options if not o.text and o.key not in s.tags]
    assert bare == []
