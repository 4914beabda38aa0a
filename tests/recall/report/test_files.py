from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from clipvec.errors import ConfigError, SchemaError
from clipvec.recall import report as reports
from tests.reports import briefly, report, systems


def test_folder_holds_everything(folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["figures", "report.html", "report.json", "report.md", "report.schema.json"]
    figures = {path.name for path in (folder / "figures").iterdir()}
    recall = {
        f"recall-at-{k}-{mode}"
        for k in (1, 10, 100)
        for mode in ("single", "batch-64", "concurrent-8")
    }
    latency = {f"latency-{mode}" for mode in ("single", "batch-64", "concurrent-8")}
    expected = recall | latency | {"filtered", "build"}
    assert figures == {f"{name}.{suffix}" for name in expected for suffix in ("png", "svg")}


def test_read_round_trip(folder: Path) -> None:
    assert reports.read(folder) == reports.read(folder / "report.json") == report()


def test_json_names_the_schema_beside_it(folder: Path) -> None:
    written = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    schema = json.loads((folder / written["$schema"]).read_text(encoding="utf-8"))
    jsonschema.validate(written, schema)


def test_page_is_small_enough_to_mail(folder: Path) -> None:
    assert (folder / "report.html").stat().st_size < 2_000_000


def test_same_report_same_bytes(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        reports.write([report(systems=briefly(systems()[:2]))], folder)
    for name in ("report.html", "report.md", "report.json", "report.schema.json"):
        assert len({(folder / name).read_bytes() for folder in folders}) == 1, name


def test_report_without_measurements_says_so(tmp_path: Path) -> None:
    page = reports.write([report(systems=[], recommendations=[])], tmp_path)
    assert "Nothing was measured." in page.read_text(encoding="utf-8")
    assert "There are no recommendations." in (tmp_path / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "is not a recall report: Expecting"),
        ("[]", "is not a recall report"),
        ('{"schema_version": 2}', "is not a recall report: created: "),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: str, problem: str) -> None:
    (tmp_path / "report.json").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=problem):
        reports.read(tmp_path)


@pytest.mark.parametrize(
    ("number", "has"), [(', "schema_version": 1', "schema 1"), ("", "no schema")]
)
def test_a_report_of_an_older_version_is_refused(tmp_path: Path, number: str, has: str) -> None:
    (tmp_path / "report.json").write_text(f'{{"contestants": []{number}}}', encoding="utf-8")
    with pytest.raises(SchemaError, match=f"has {has}.* reads schema 2; run clipvec recall again"):
        reports.read(tmp_path)


def test_no_report_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"no report at .*nowhere: No such file.*clipvec recall wrote$"
    ):
        reports.read(tmp_path / "nowhere")
    (tmp_path / "report.json").symlink_to("/dev/zero")
    with pytest.raises(ConfigError, match=r"no report at .*: it is a device, not a regular file"):
        reports.read(tmp_path)


def test_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot be written to .*choose another folder"):
        reports.write([report()], tmp_path / "file" / "inside")
    (tmp_path / "figures").touch()
    with pytest.raises(ConfigError, match=r"cannot be written to .*choose another folder"):
        reports.write([report()], tmp_path)
