"""compose.yaml and the image of the query service, as far as that goes without docker."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from clipvec.config import ChromaConfig
from clipvec.service import settings

ROOT = Path(__file__).parents[1]
SERVICE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]["clipvec"]


def image() -> str:
    """Return the stage of the Dockerfile that compose.yaml builds."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    stages = re.findall(r"^FROM \S+ AS (\w+)\n(.*?)(?=^FROM |\Z)", text, re.DOTALL | re.MULTILINE)
    return dict(stages)[SERVICE["build"]["target"]]


def test_the_image_has_what_the_service_needs() -> None:
    about = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (extras,) = re.findall(r"^ARG EXTRAS=([\w,]+)$", image(), re.MULTILINE)
    assert '"/tmp/clipvec[$EXTRAS]"' in image()
    assert {"serve", "heic", "jxl", "raw"} <= set(extras.split(","))
    assert set(extras.split(",")) <= set(about["project"]["optional-dependencies"])
    copied = re.findall(r"^COPY (.+) \S+$", image(), re.MULTILINE)
    assert all((ROOT / name).exists() for names in copied for name in names.split())
    build = about["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = [*build["packages"], *build["force-include"], "pyproject.toml", "README.md", "LICENSE"]
    assert {name.split("/")[0] for name in needed} == {n for names in copied for n in names.split()}


def test_it_serves_what_bentofile_yaml_serves() -> None:
    served = yaml.safe_load((ROOT / "bentofile.yaml").read_text(encoding="utf-8"))["service"]
    assert f'CMD ["bentoml", "serve", "{served}"]' in image()


def test_nobody_is_root_and_only_this_machine_can_ask() -> None:
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", image(), re.MULTILINE)
    assert SERVICE["user"] == "${CLIPVEC_USER:-1000:1000}"
    assert SERVICE["ports"] == ["127.0.0.1:3000:3000"]
    assert "'http://127.0.0.1:3000/readyz'" in SERVICE["healthcheck"]["test"][-1]


def test_the_index_is_where_the_commands_leave_it(monkeypatch: pytest.MonkeyPatch) -> None:
    default = re.fullmatch(r"\$\{CLIPVEC_SERVE:-(.*)\}", SERVICE["environment"]["CLIPVEC_SERVE"])
    assert default is not None
    pwd = "${PWD:?run docker compose in the repository}"  # sudo may clear it
    assert pwd in default[1]
    monkeypatch.setenv("CLIPVEC_SERVE", default[1].replace(pwd, "/home/me/my photos"))
    assert settings.read().index == ChromaConfig("/home/me/my photos/data/index")
    assert SERVICE["volumes"][0] == f"{pwd}/data:${{PWD}}/data"
