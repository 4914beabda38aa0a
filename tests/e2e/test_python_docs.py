"""The examples of docs/python.md and the notebook run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs/quickstart.ipynb"


@pytest.fixture
def here(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the sample embedded and indexed as in the documents."""
    shutil.copytree(sample / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def in_a_second(code: str) -> str:
    """Return the code with less time for what it measures, of which tests need no figures."""
    return code.replace('"measure=quick"', '"measure=quick", "measure.time_budget_s=1"')


def run_blocks(page: Path) -> tuple[list[str], dict[str, Any]]:
    """Run the Python blocks of a page; return them and the names they define."""
    names: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    for block in blocks:
        exec(compile(in_a_second(block), page.name, "exec"), names)
    names["index"].close()
    return blocks, names


def test_readme(here: Path) -> None:
    _, names = run_blocks(ROOT / "README.md")
    assert names["hits"][0].caption == "A strawberry"
    assert names["vectors"].shape == (364, 640)


def test_examples(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks, _ = run_blocks(ROOT / "docs/python.md")
    out = capsys.readouterr().out
    assert "364 rows in sample--sample" in out
    assert "A strawberry {'category': 'food'}" in out
    assert "{'id': 'sample-0000/0000', 'caption': " in out
    assert re.search(r"^364 rows; \d+ queries$", out, re.MULTILINE)
    last = out.splitlines()[-1]
    said = re.search(r"# (where: .*), \.\.\.$", blocks[-1], re.MULTILINE)
    assert said is not None
    assert last.startswith(said[1])


def test_quickstart(here: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    assert not any(cell.get("outputs") for cell in notebook.cells)
    for cell in notebook.cells:
        cell.source = in_a_second(cell.source)
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(here)}}
    ).execute()
    found = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    text = "".join(each.get("text", "") for each in found)
    assert "A strawberry" in text
    assert "(364, 640) float32 ['sample-0000/0000'" in text
    assert "report: data/reports/sample--sample" in text
    assert any("image/png" in each.get("data", {}) for each in found)
