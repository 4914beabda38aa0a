"""The Dockerfile of cloud.image, as far as that goes without docker: its script runs here."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from clipvec.jobs.skypilot import workdir
from clipvec.paths import CONF_DIR

DOCKERFILE = (CONF_DIR.parent / "Dockerfile").read_text(encoding="utf-8")


def instructions() -> list[tuple[str, str]]:
    """Return the image's instructions and their arguments, of which a shell joins the lines."""
    image = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") + 1 :]
    lines = re.sub(r"^#.*\n", "", image, flags=re.MULTILINE)
    found = re.findall(r"^([A-Z]+) ((?:.*\\\n)*.*)$", lines, re.MULTILINE)
    assert "".join(f"{name} {text}\n" for name, text in found) == lines
    return found


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workdir")
    workdir.pack(folder, [(), ("s3", "sample")])
    return folder


@pytest.mark.parametrize("extras", ["", "s3,sample"])
def test_every_package_but_clipvec_is_in_the_image(
    packed: Path, tmp_path: Path, extras: str
) -> None:
    (script,) = (text for name, text in instructions() if name == "RUN")
    for program in ("pip", "uv"):
        file = tmp_path / program
        file.write_text(f'#!/bin/sh\nprintf "%s\\n" "{program} $*"\n')
        file.chmod(0o755)
    script = script.replace("rm -r /tmp/workdir/*", "cat any-torch.txt")
    variables = dict(text.split("=") for name, text in instructions() if name == "ARG")
    done = subprocess.run(
        ["sh", "-euc", script],
        cwd=packed,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"} | variables | {"EXTRAS": extras},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = (file.name for file in packed.glob("*.whl"))
    first, install, remove, *locked = done.stdout.splitlines()
    assert first == "pip install --no-cache-dir uv"
    assert install == (
        "uv pip install --system --no-cache --constraints any-torch.txt --torch-backend cu126 "
        + (f"{wheel}[{extras}]" if extras else wheel)
    )
    assert remove == "pip uninstall --yes clipvec"
    lock = packed / f"{'-'.join(['lock', *filter(None, extras.split(','))])}.txt"
    assert locked == [x for x in lock.read_text().splitlines() if not x.startswith("torch")]


def test_its_python_is_one_that_clipvec_takes() -> None:
    about = (CONF_DIR.parent / "pyproject.toml").read_text(encoding="utf-8")
    (python,) = re.findall(r"^ARG PYTHON=(.+)$", DOCKERFILE, re.MULTILINE)
    assert f'requires-python = ">={python}"' in about
