"""``python -m clipvec.evaluate`` on the bundled images."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest

from clipvec.evaluate import report
from tests.e2e.conftest import Run
from tests.wandb_files import recorded

OPTIONS = ["model=sample", "report_dir=report"]


@pytest.fixture
def folder(sample: Path, tmp_path: Path) -> Path:
    """A folder with a store."""
    shutil.copytree(sample / "data/store", tmp_path / "data/store")
    return tmp_path


def test_a_report(run: Run, folder: Path) -> None:
    done = run("evaluate", *OPTIONS, "tracking=offline")
    first, second, where = done.stdout.splitlines()
    assert first.startswith("sample: caption → image: recall@1 0.292 (")
    assert second.startswith("sample: image → caption: recall@1 0.255 (")
    assert where == "report: report/report.html"
    (model,) = report.read(folder / "report").models
    to_image, _ = model.retrieval
    # As docs/sample-model.md says of 349 captions, which the training script computed.
    assert (to_image.queries, to_image.candidates) == (349, 364)
    assert [round(100 * each.value, 1) for each in to_image.recall_at.values()] == [
        29.2,
        49.6,
        60.2,
    ]
    written = json.loads((folder / "report/report.json").read_text())
    schema = json.loads((folder / "report/report.schema.json").read_text())
    jsonschema.validate({k: v for k, v in written.items() if k != "$schema"}, schema)
    assert "| sample | caption → image | 0.292 (" in (folder / "report/report.md").read_text()
    (tracked,) = recorded(folder / "data/store")
    assert tracked.summary["retrieval/text_to_image"]["recall@1"] == pytest.approx(0.2923, abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["dataset.name=nowhere"], 1, "there is no store at "),
        (["captions=-1"], 2, "captions=-1: input should be greater than or equal to 0"),
    ],
)
def test_bad_input(
    run: Run, folder: Path, arguments: list[str], exit_code: int, message: str
) -> None:
    (line,) = run("evaluate", *OPTIONS, *arguments, exit_code=exit_code).stderr.splitlines()
    assert message in line


def test_an_unfinished_store(run: Run, folder: Path) -> None:
    (folder / "data/store/sample/sample/shard-00003/done.json").unlink()
    (line,) = run("evaluate", *OPTIONS, exit_code=1).stderr.splitlines()
    assert "is not finished: shard-00003 is not committed; run the python -m clipvec.embed" in line
