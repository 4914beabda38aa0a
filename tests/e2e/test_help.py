"""The help of every command."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipvec import cli
from tests.e2e.conftest import Run

ALIKE = {
    *("check", "compact", "dashboard", "delete", "embed", "evaluate", "index", "recall", "rejects"),
    "projection",
}
"""Commands with a model."""


@pytest.mark.parametrize("command", sorted(cli.commands()))
def test_help_explains(run: Run, command: str) -> None:
    said = run(command, "--help").stdout
    assert f"clipvec {command}" in said
    if command in ALIKE:
        assert "model                       dfn2b_l_14, dfn5b_h_14_378, local" in said
        assert "Examples" in said


@pytest.mark.parametrize("command", ["embed", "index", "recall"])
def test_the_configuration_is_printed(run: Run, command: str, tmp_path: Path) -> None:
    said = run(command, "--cfg", "job", "experiment=demo").stdout
    assert "arch: sample" in said
    assert list(tmp_path.iterdir()) == []
