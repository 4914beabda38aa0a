"""An image is taken out, and put back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import Run


@pytest.fixture
def here(sample: Path, tmp_path: Path, run: Run) -> Path:
    """A folder with a copy of the store `sample`, and an index of that."""
    shutil.copytree(sample / "data/store", tmp_path / "data/store")
    run("index", "model=sample", "sharding=x10")
    return tmp_path


def test_a_takedown(run: Run, here: Path) -> None:
    def ids() -> list[str]:
        return [hit["id"] for hit in json.loads(run("search", "a red bird", "--json").stdout)]

    before = ids()
    gone = before[0]
    said = run("delete", "model=sample", f"ids={gone}", "reason=its owner's wish; 100 %").stdout
    assert said.startswith("deleted 1 row of ")
    name = said.split(": ")[1].split(";")[0]
    assert run("delete", "model=sample").stdout.endswith(
        f"{name}  1 row: its owner's wish; 100 %\n"
    )
    left = ids()
    assert left[:9] == before[1:]
    assert gone not in left
    checked = run("check", "model=sample")
    assert "; 1 row deleted; " in checked.stdout
    assert "still holds 1 deleted row, which no answer shows; clipvec index" in checked.stderr

    assert (
        ", 10 reused, 0 replaced, 1 row deleted; "
        in run("index", "model=sample", "sharding=x10", "tracking=offline").stdout
    )
    assert ids() == left
    assert "still holds" not in run("check", "model=sample").stderr
    page = here / "page.html"
    run("dashboard", "--local", "model=sample", f"page={page}")
    assert json.dumps(before[1]) in page.read_text(encoding="utf-8")
    assert json.dumps(gone) not in page.read_text(encoding="utf-8")

    run("delete", "model=sample", f"undo={name}")
    run("index", "model=sample", "sharding=x10")
    assert ids() == before
