"""``clipvec evaluate`` on the bundled images."""

from __future__ import annotations

import json
import re
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


def test_a_report(run: Run, folder: Path, tiny_sample: Path) -> None:
    other = f"against={tiny_sample}/store/sample/local"
    done = run("evaluate", *OPTIONS, "label=category", other, "tracking=offline")
    first, second, third, *_, where = done.stdout.splitlines()
    (won,) = re.findall(r"caption → image recall@1: sample beats local by (.*) points", done.stdout)
    assert 25 < float(won) < 30
    assert first.startswith("sample: caption → image: recall@1 0.292 (")
    assert second.startswith("sample: image → caption: recall@1 0.255 (")
    assert third.startswith("sample: accuracy of category: zero-shot 0.6")
    assert where == "report: report/report.html"
    found = report.read(folder / "report")
    model, random = found.models
    for each in random.retrieval:  # a model that was not trained
        assert each.recall_at[10].low < each.chance[10] < each.recall_at[10].high
    assert len(found.comparisons) == 9
    to_image, _ = model.retrieval
    # As docs/sample-model.md says of 349 captions, which the training script computed.
    assert (to_image.queries, to_image.candidates) == (349, 364)
    assert [round(100 * each.value, 1) for each in to_image.recall_at.values()] == [
        29.2,
        49.6,
        60.2,
    ]
    assert model.labels is not None
    accuracy = {each.method: each.accuracy.value for each in model.labels.methods}
    chance = model.labels.largest_class
    assert chance < accuracy["zero_shot"] < accuracy["nearest_neighbours"]
    assert accuracy["linear_probe"] > 0.75
    assert sum(each.images for each in model.labels.classes) == 364
    (agreed,) = found.agreements
    assert (agreed.a, agreed.b, agreed.queries, agreed.candidates) == ("sample", "local", 364, 363)
    assert agreed.chance[10] < agreed.overlap_at[10].low < agreed.overlap_at[10].high < 0.5
    assert len(agreed.disagreements) == 6
    deployed = {each.model: each for each in found.deployments}
    assert [each.index for each in found.deployments] == ["exact", "exact"]
    assert deployed["sample"].bytes_per_row == 2 * 640
    assert all(each.images_per_s for each in found.deployments)
    assert found.chosen == 0
    page = (folder / "report/report.html").read_text()
    assert page.count('class="pair"') == 6
    assert 'src="data:image/jpeg' in page
    written = json.loads((folder / "report/report.json").read_text())
    schema = json.loads((folder / "report/report.schema.json").read_text())
    jsonschema.validate({k: v for k, v in written.items() if k != "$schema"}, schema)
    assert "| sample | caption → image | 0.292 (" in (folder / "report/report.md").read_text()
    (tracked,) = recorded(folder / "data/store")
    assert tracked.summary["retrieval/text_to_image"]["recall@1"] == pytest.approx(0.2923, abs=1e-4)


def test_neighbours_and_answers_alone(run: Run, folder: Path, tiny_sample: Path) -> None:
    other = f"against={tiny_sample}/store/sample/local"
    (folder / "texts").write_text("a red bird\n\n  a bicycle \na red bird\n")
    agreed, asked, advice, where = run(
        "evaluate", *OPTIONS, other, "captions=0", "agreement=50", "min_qps=1", "text_file=texts"
    ).stdout.splitlines()
    assert asked.startswith("sample, local: the same answers: overlap@1 ")
    assert asked.endswith("; 2 of your texts, each among 364 images")
    assert agreed.startswith("sample, local: the same neighbours: overlap@1 0.")
    assert agreed.endswith("; 50 images of 364")
    assert advice == (
        "nothing to take under min_qps=1: without captions or labels no quality is known; "
        "name an attribute with label=..."
    )
    assert where == "report: report/report.html"


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["against=sample"], 2, "against=sample: "),
        (["dataset.name=nowhere"], 1, "there is no store at "),
        (
            ["captions=0"],
            2,
            "captions=0 and no label is given, so there is nothing to evaluate by; ",
        ),
        (["text_file=texts"], 2, "are compared with those by another model; name it with against"),
        (["price_per_hour={other: 1}"], 2, "'other' is no model of this evaluation; there are sa"),
        (["max_price=0"], 2, "max_price=0: input should be greater than 0"),
        (["label=colour"], 2, "has no such attribute; it has category (string)"),
        (["prompts.templates=[x]"], 2, "no {} in it, which is where the name of the class goes"),
        (
            ["label=category", "+prompts.names={0: dog, true: cat}"],
            2,
            "prompts.names: '0' is no class; there are ",
        ),
        (["report_dir=/dev/null/x"], 2, "report_dir: '/dev/null/x' cannot be made (Not a dir"),
        (["seed=-1"], 2, "seed=-1: input should be greater than or equal to 0"),
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
    assert "is not finished: it lacks 1 shard (3); run the clipvec embed" in line
