"""The built wheel works alone, from any directory."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    done = subprocess.run([*command, str(ROOT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("clipvec-*.whl")
    return path


def test_wheel_holds_what_is_needed(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "clipvec/conf/embed.yaml",
        "clipvec/conf/model/vit_b_32.yaml",
        "clipvec/model/sample_heads.safetensors",
        "clipvec/sample_data/LICENSE.txt",
        "clipvec/vectors/templates/results.html",
    } <= names
    assert any(name.startswith("clipvec/sample_data/") and name.endswith(".tar") for name in names)
    assert not any(name.startswith(("tests/", "benchmarks/", "conf/")) for name in names)


def test_installed_command_runs_from_the_root(wheel: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    pip = [str(venv / "bin/python"), "-m", "pip", "install", "--no-deps", "--quiet", str(wheel)]
    subprocess.run(pip, check=True)
    # The dependencies are those of this environment; clipvec itself is the wheel's.
    site = next(venv.glob("lib/python*/site-packages"))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = [str(venv / "bin/python"), "-c", "import clipvec; print(clipvec.__file__)"]
    found = subprocess.run(where, cwd="/", capture_output=True, text=True, check=True)
    assert found.stdout.startswith(str(site))
    done = subprocess.run(
        [
            str(venv / "bin/clipvec-embed"),
            *("dataset=sample", "model=sample", "sharding=x1"),
            *(f"store.root={tmp_path}/store", f"hydra.run.dir={tmp_path}/run"),
        ],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 shard: 364 images, 0 rejects")
