"""``clipvec recall`` as a subprocess, on the bundled images."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from clipvec.config import ChromaConfig
from clipvec.index import open_index
from clipvec.recall.results import DATA, Report
from tests.e2e.conftest import Disk, Run

OPTIONS = ["model=sample", "sharding=x10"]
QUICK = [*OPTIONS, "systems=quick", "measure=quick", "measure.time_budget_s=1", "queries.texts=60"]

# One plot of recall where there would be three.
AT_10 = [*QUICK, "measure.recall_at=[10]", "queries.images=0"]

Recall = Callable[..., str]


@pytest.fixture
def folder(sample: Path, tmp_path: Path) -> Path:
    """A folder with a store and its collection."""
    shutil.copytree(sample / "data", tmp_path / "data")
    return tmp_path


def report(folder: Path, name: str = "*") -> Report:
    file = max(folder.glob(f"data/reports/{name}/report.json"))
    return DATA.read(file)


def test_a_report_and_its_recommendation_applied(run: Run, folder: Path) -> None:
    shutil.rmtree(folder / "data/index")
    run("index", *OPTIONS)  # notes what it takes, of which this process takes much more
    done = run("recall", *QUICK, "apply=true", "report_dir=data/reports/one")
    found = report(folder)
    assert (found.rows, found.dim, found.synthetic) == (364, 640, False)
    assert found.queries == {"text": 60, "image": 364}
    assert [c.name for c in found.systems] == ["chroma", "flat", "hnsw"]
    assert not any(c.skipped for c in found.systems)
    (flat,) = found.systems[1].settings
    for recall in flat.recall:
        assert {k: i.value for k, i in recall.recall_at.items()} == {1: 1.0, 10: 1.0, 100: 1.0}
    assert {(s.kind, s.batch_size, s.concurrency) for s in flat.latency} == {
        (kind, *load) for kind in ("text", "image") for load in ((1, 1), (32, 1), (1, 8))
    }
    chroma = next(a for a in found.recommendations if a.among == "served")
    assert chroma.choice is not None
    ef_search = int(chroma.choice.parameters["ef_search"])
    said = done.stdout.splitlines()
    assert said[-2].startswith(
        f"applied: sample--sample now searches with ef_search={ef_search}. Selected on one half of "
    )
    assert said[-1].startswith(f"from now on give clipvec index hnsw.ef_search={ef_search}")
    index = ChromaConfig(str(folder / "data/index"))
    with open_index(index, "sample--sample") as collection:
        assert collection.settings["ef_search"] == ef_search
    assert "text queries: " in done.stdout
    # the collection was loaded by one run, which noted what it took
    chroma_build = found.systems[0].build
    assert chroma_build is not None
    assert chroma_build.rows == 364
    assert 0 < (chroma_build.seconds or 0) < 60
    assert 50e6 < (chroma_build.peak_bytes or 0) < 2e9
    assert (folder / "data/reports/one/report.html").is_file()

    again = run("recall", *QUICK, "report_dir=data/reports/two")
    assert "ground truth of text queries: taken from an earlier run" in again.stderr
    assert again.stderr.count("measured before") >= 2
    assert "encoding" not in again.stderr
    compared = run("recall", "compare", "data/reports/one", "data/reports/two", "--to", "changes")
    assert "hnsw" in compared.stdout
    assert (folder / "changes/comparison.html").is_file()


def test_the_index_reports_when_it_reverts_applied_settings(run: Run, folder: Path) -> None:
    wide = ["+systems.chroma.sweep.ef_search=[400]", "~systems.flat", "~systems.hnsw"]
    done = run("recall", *AT_10, *wide, "apply=true")
    assert "hnsw.ef_search=400" in done.stdout
    kept = run("index", *OPTIONS, "hnsw.ef_search=400")
    assert "ef_search" not in kept.stderr
    back = run("index", *OPTIONS)
    assert "sample--sample: ef_search: 400 → 100 (hnsw.ef_search)" in back.stderr


def test_a_sweep_and_its_runs_in_one_plot(run: Run, folder: Path) -> None:
    # Images alone, whose vectors the store has: no job loads a model.
    few = ["~systems.chroma", "~systems.hnsw", "queries.texts=0", "queries.images=60"]
    sweep = ["launcher=workers", "launcher.processes=2", "queries.seed=0,1,2"]
    run("recall", "-m", *QUICK, "measure.recall_at=[10]", *few, *sweep)
    places = sorted(map(str, folder.glob("data/reports/sample--sample-*")))
    found = [json.loads(Path(place, "report.json").read_text()) for place in places]
    assert sorted(one["seeds"]["queries"] for one in found) == [0, 1, 2]
    logs = "".join(log.read_text() for log in folder.glob("data/sweeps/*/jobs/*.log"))
    assert "data/recall/sample--sample: waiting for the process that holds data/recall/" in logs

    run("recall", "compare", *places, "--to", "all")
    page = (folder / "all/report.html").read_text()
    assert page.count("<figure") >= 2
    assert "sample" in page


def test_a_target_that_no_setting_meets(run: Run, folder: Path) -> None:
    index = ChromaConfig(str(folder / "data/index"))
    with open_index(index, "sample--sample") as collection:
        collection.set_search_settings({"ef_search": 1})
    options = [f"~systems.{name}" for name in ("flat", "hnsw")]
    options += ["measure.k=1", "queries.images=0"]
    done = run("recall", *QUICK, *options, "target_recall=1", "apply=true", exit_code=2)
    assert re.search(
        r"error: apply=true: no setting of the live index reaches .*report is in", done.stderr
    )
    assert "text queries, served by clipvec: nothing reaches recall@1 of 1; nearest" in done.stdout
    assert all(found.choice is None for found in report(folder).recommendations)


def test_without_chroma_nothing_is_recommended_for_it(run: Run, folder: Path) -> None:
    options = ["~systems.chroma", "~systems.hnsw"]
    refused = run("recall", *AT_10, *options, "apply=true", exit_code=2)
    assert "error: apply=true: no system is the live index" in refused.stderr
    done = run("recall", *AT_10, *options)
    assert done.stdout.startswith("text queries: flat: recall@10 1.000")
    assert "served" not in done.stdout
    assert [a.among for a in report(folder).recommendations] == ["all"]


def test_no_system_was_measured(run: Run, folder: Path) -> None:
    shutil.rmtree(folder / "data/index")
    done = run("recall", *AT_10, "~systems.flat", "~systems.hnsw", "apply=true", exit_code=1)
    assert "text queries: no recall@10 was measured with text queries; chroma: th" in done.stdout
    assert "error: none of 1 systems was measured; chroma: there is no coll" in done.stderr
    assert report(folder).systems[0].skipped


@pytest.mark.usefixtures("folder")
def test_disk_full(run: Run, small_disk: Disk) -> None:
    """The line promises that the same command will do."""
    options = [*QUICK[:3], "~systems.chroma", "~systems.hnsw", "measure.selectivities=[]"]
    options += ["measure.time_budget_s=0.1", "queries.images=20", "queries.texts=0"]
    options += [f"work_dir={small_disk.path}/work"]
    small_disk.remount("size=16k")
    full = run("recall", *options, exit_code=1).stderr
    assert re.fullmatch(
        r"error: work_dir .*/disk/work cannot be written: No space left on device; free space "
        r"there, .* or choose another work_dir, and run the same command again\n$",
        full,
    )
    small_disk.remount("size=64m")
    assert run("recall", *options).stdout.startswith("image queries: flat: recall@10 1.000 ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["queries.text_file=nope.txt"], "error: queries.text_file=nope.txt: "),
        (["queries.images=0", "queries.texts=0"], "there is nothing to ask; give one"),
        (["measure.recall_at=[1,400]"], "k=400: "),
        (
            ["dataset.limit=5"],
            "data/store/sample/sample was made with no dataset.limit; give the same, or the datas",
        ),
        (["target_recall=1.5"], "target_recall=1.5: input should be less than or equal to 1"),
        (["store.root=nowhere"], "create it with clipvec embed"),
        (["+systems.x.kind=annoy"], "systems.x"),
    ],
)
def test_bad_input(run: Run, folder: Path, arguments: list[str], message: str) -> None:
    done = run("recall", *QUICK, *arguments, exit_code=2 if "nowhere" not in arguments[0] else 1)
    assert message in done.stderr
    assert done.stderr.count("error: ") == 1
