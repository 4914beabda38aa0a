"""The built wheel works alone, from any directory."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
import yaml

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
        "clipvec/search/templates/results.html",
    } <= names
    assert any(name.startswith("clipvec/sample_data/") and name.endswith(".tar") for name in names)
    assert not any(name.startswith(("tests/", "benchmarks/", "conf/")) for name in names)


class Installed:
    """A virtual environment with the wheel, and with the dependencies of this one."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.bin = folder / "bin"
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        self.run("python", "-m", "pip", "install", "--no-deps", "--quiet", str(wheel), cwd=folder)
        self.site = next(folder.glob("lib/python*/site-packages"))
        (self.site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def run(self, program: str, *arguments: str, cwd: Path) -> str:
        """Run one of its programs, as a user without a checkout, and return its output."""
        done = subprocess.run(
            [str(self.bin / program), *arguments],
            cwd=cwd,
            env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed") / "venv", wheel)


def test_installed_command_runs_from_the_root(installed: Installed, tmp_path: Path) -> None:
    code = "import clipvec; print(clipvec.__file__)"
    assert installed.run("python", "-c", code, cwd=Path("/")).startswith(str(installed.site))
    out = installed.run(
        "clipvec-embed",
        *("dataset=sample", "dataset.limit=8", "model=sample", "sharding=x1"),
        *(f"store.root={tmp_path}/store", f"hydra.run.dir={tmp_path}/run"),
        cwd=Path("/"),
    )
    assert out.startswith("1 shard: 8 images, 0 rejects")


@pytest.mark.parametrize("program", [("python", "-m", "clipvec.embed"), ("clipvec-embed",)])
def test_installed_plugins_and_configs_are_found(
    installed: Installed, tmp_path: Path, program: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # SkyPilot's own checks write there
    monkeypatch.setenv("SKYPILOT_DISABLE_USAGE_COLLECTION", "1")
    cwd = tmp_path / "it's here, somewhere"
    cwd.mkdir()
    out = installed.run(
        *program,
        *("-m", "shards=0-2", "launcher=sky", "launcher.dry_run=true", "hydra.sweep.dir=sweep"),
        # a folder, not a bucket, so that no network is needed to list it
        *("cloud=slurm", f"store.root={tmp_path}/store"),
        cwd=cwd,
    )
    lines = out.splitlines()
    assert lines[0] == "sweep: 3 jobs"
    row = ["0-2", "0-2", "(1", "each)", "3", "each", "slurm,", "cpus", "1+,", "memory", "1+"]
    assert lines[2].split() == row
    assert lines[3] == "sky jobs launch --num-jobs 3 sweep/task-00000.yaml"
    task = yaml.safe_load((cwd / "sweep/task-00000.yaml").read_text())
    command = "exec python -m clipvec.jobs.skypilot.each_gpu -m clipvec.embed "
    command += f"store.root={tmp_path}/store model.precision=fp32 launcher=local "
    assert f"shards=(0 1 2)\n{command}" in task["run"]


def contents(wheel: Path) -> dict[str, bytes]:
    """Return the files of a wheel; its own list of them in alphabetical order."""
    with zipfile.ZipFile(wheel) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    (record,) = (name for name in found if name.endswith("/RECORD"))
    found[record] = b"\n".join(sorted(found[record].splitlines()))
    return found


def test_jobs_get_the_installed_wheel(installed: Installed, wheel: Path, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from clipvec.jobs.skypilot import wheel\n"
        "built = wheel.build_wheel(pathlib.Path(sys.argv[1]))\n"
        "assert built.name == wheel.wheel_name()\n"
        "print(built)"
    )
    again = Path(installed.run("python", "-c", code, str(tmp_path), cwd=tmp_path).strip())
    assert contents(again) == contents(wheel)

    target = tmp_path / "target"
    pip = ("-m", "pip", "install", "--no-deps", "--quiet", "--target", str(target), str(again))
    installed.run("python", *pip, cwd=tmp_path)
    for name, content in contents(wheel).items():
        assert name.endswith("/RECORD") or (target / name).read_bytes() == content
