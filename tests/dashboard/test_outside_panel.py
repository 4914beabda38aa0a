"""The panel of docs/extending.md is added by another package and rendered."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from clipvec import tracking
from clipvec.config import TrackingConfig
from clipvec.dashboard.panels import SECTIONS, all_sections
from clipvec.dashboard.wandb import specs
from clipvec.errors import ConfigError
from clipvec.tracking import RunSpec
from tests.e2e.test_extending import install, run
from tests.stores import StoreFactory

# wandb-workspaces still uses pydantic 1 in places.
pytestmark = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")


def test_on_the_local_page(tmp_path: Path, store_factory: StoreFactory) -> None:
    command = install("A dashboard panel", tmp_path)
    root = tmp_path / "data/store"
    store_factory(root, {0: [9]})
    names = {"dataset": {"name": "toys"}, "model": {"name": "toy"}}
    spec = RunSpec("embed", "x", str(root), names)
    with tracking.start_run(TrackingConfig(mode="offline"), spec) as logged:
        logged.log({"images_per_s": 3, "batch_fill": 0.75}, step=9)
    done = run(tmp_path, *command, "dataset.name=toys", "model.name=toy")
    assert done.returncode == 0, done.stderr
    (page,) = (tmp_path / "data/dashboards").glob("*.html")
    found = re.findall(r"<dt>Fill of batches</dt><dd>(.*?)</dd>", page.read_text(encoding="utf-8"))
    assert found == ['<meter value="0.75"></meter>']


def test_in_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install("A dashboard panel", tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    sections = all_sections()
    assert [section.title for section in sections] == [section.title for section in SECTIONS]
    assert sections[1].panels[:-1] == SECTIONS[1].panels
    panel = specs.sections(specs.view("me", "photos", "clipvec"))[1]["panels"][-1]
    assert (panel["viewType"], panel["config"]["metrics"]) == ("Scalar Chart", ["batch_fill"])
    assert panel["__id__"].startswith(specs.OURS)


def test_a_package_that_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = tmp_path / "broken-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[clipvec.panels]\nmine = nowhere:SECTION\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    with pytest.raises(ConfigError, match=r"^panels mine, of broken, cannot be imported: ModuleN"):
        all_sections()
