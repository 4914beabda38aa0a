"""install.sh with the real uv in a separate home; packages come from a folder, not an index."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from clipvec.jobs.skypilot import workdir

VERSION = "{}.{}".format(*sys.version_info)
UV = Path(sys.prefix, "bin/uv")
NOBODY = "http://127.0.0.1:9"


def write_wheel(folder: Path, name: str, version: str, requires: str = "") -> None:
    """Write a wheel of one module that contains its version."""
    folder.mkdir(parents=True, exist_ok=True)
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", f"version = {version!r}\n")
        wheel.writestr(f"{name}-{version}.dist-info/METADATA", about)
        wheel.writestr(
            f"{name}-{version}.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(f"{name}-{version}.dist-info/RECORD", "")


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder of packages: two versions of ``tiny``, and one of ``more``."""
    folder = tmp_path / "packages"
    write_wheel(folder, "tiny", "1")
    write_wheel(folder, "tiny", "2")
    write_wheel(folder, "more", "1")
    return folder


@pytest.fixture
def sky_workdir(tmp_path: Path) -> Path:
    """The workdir: a wheel that requires ``tiny``, and with the extra ``s3`` also ``more``."""
    folder = tmp_path / "sky_workdir"
    extra = "Provides-Extra: s3\nRequires-Dist: more; extra == 's3'\n"
    write_wheel(folder, "clipvec", "7", f"Requires-Dist: tiny>=1\n{extra}")
    (folder / "lock.txt").write_text("tiny==1\n")
    (folder / "lock-s3.txt").write_text("more==1\ntiny==1\n")
    shutil.copy(workdir._INSTALL, folder)
    return folder


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The machine's own Python, with only the packages that tests add."""
    folder = tmp_path / "machine"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    return folder


Install = Callable[..., str]


@pytest.fixture
def install(tmp_path: Path, packages: Path, sky_workdir: Path, machine: Path) -> Install:
    """Run install.sh, with uv where SkyPilot puts it, and return its output."""
    home = tmp_path / "home"
    (home / ".local/bin").mkdir(parents=True)
    index = f"[[index]]\nurl = '{packages}'\nformat = 'flat'\ndefault = true\n"
    (tmp_path / "uv.toml").write_text(index)
    (home / ".local/bin/uv").symlink_to(UV)

    def call(*arguments: str, exit_code: int = 0, **environment: str) -> str:
        alone = {
            "HOME": str(home),
            "PATH": f"{machine}/bin:/usr/bin:/bin",
            "UV_CONFIG_FILE": str(tmp_path / "uv.toml"),
            "UV_HTTP_RETRIES": "0",
            "HTTPS_PROXY": NOBODY,
            "CLIPVEC_RETRY_PAUSES": "0 0",
        }
        done = subprocess.run(
            ["bash", sky_workdir / "install.sh", *arguments],
            env=alone | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == exit_code, done.stdout
        return done.stdout

    return call


def versions(tmp_path: Path, name: str, *modules: str) -> str:
    """Return the versions in a job's ``python``."""
    code = "; ".join(f"print(__import__({module!r}).version, end=' ')" for module in modules)
    python = tmp_path / f"home/clipvec/{name}/bin/python"
    return subprocess.run(
        [python, "-I", "-c", code], check=True, capture_output=True, text=True
    ).stdout


def test_the_locked_versions_are_installed(install: Install, tmp_path: Path) -> None:
    assert install("mine", "", "cpu", VERSION) == ""
    assert versions(tmp_path, "mine", "clipvec", "tiny") == "7 1 "


def test_extras_bring_their_packages(install: Install, tmp_path: Path) -> None:
    install("mine", "s3", "cpu", VERSION)
    assert versions(tmp_path, "mine", "clipvec", "tiny", "more") == "7 1 1 "


def test_a_second_job_installs_nothing(install: Install, packages: Path) -> None:
    install("mine", "", "cpu", VERSION)
    shutil.rmtree(packages)
    assert install("mine", "", "cpu", VERSION) == ""


@pytest.mark.parametrize("left", ["home/clipvec/mine/lib/half", "home/clipvec/mine/ready"])
def test_an_environment_that_was_removed_in_part_is_made_again(
    install: Install, tmp_path: Path, left: str
) -> None:
    """As by a Slurm allocation that was killed while it removed its home."""
    install("mine", "", "cpu", VERSION, SLURM_JOB_ID="1")
    ready = (tmp_path / "home/clipvec/mine/ready").read_text()
    shutil.rmtree(tmp_path / "home/clipvec/mine")
    (tmp_path / left).parent.mkdir(parents=True)
    (tmp_path / left).write_text(ready)
    assert install("mine", "", "cpu", VERSION, SLURM_JOB_ID="2") == ""
    assert versions(tmp_path, "mine", "clipvec", "tiny") == "7 1 "


def add(machine: Path, packages: Path, *names: str) -> None:
    """Install packages into the machine's own Python."""
    site = next(machine.glob("lib/python*/site-packages"))
    for name in names:
        with zipfile.ZipFile(packages / f"{name}-py3-none-any.whl") as wheel:
            wheel.extractall(site)


def test_a_machine_that_has_everything(
    install: Install, machine: Path, packages: Path, tmp_path: Path
) -> None:
    import packaging

    add(machine, packages, "tiny-1")
    shutil.copytree(
        Path(packaging.__file__).parent, next(machine.glob("lib/*/site-packages")) / "packaging"
    )
    said = install("mine", "", "cpu", VERSION, UV_OFFLINE="1")
    assert said == (
        f"clipvec: {machine}/bin/python has every version in lock.txt; "
        "only clipvec itself is installed\n"
    )
    assert versions(tmp_path, "mine", "clipvec", "tiny") == "7 1 "


def test_a_machine_with_another_version_gets_the_locked_one(
    install: Install, machine: Path, packages: Path, tmp_path: Path
) -> None:
    add(machine, packages, "tiny-2")
    assert install("mine", "", "cpu", VERSION) == ""
    assert versions(tmp_path, "mine", "tiny") == "1 "


def test_an_image_is_used_as_it_is(
    install: Install, machine: Path, packages: Path, tmp_path: Path
) -> None:
    add(machine, packages, "tiny-2")
    said = install("mine", "", "image", VERSION, UV_OFFLINE="1")
    assert said == "clipvec: cloud.image: only clipvec itself is installed\n"
    assert versions(tmp_path, "mine", "clipvec", "tiny") == "7 2 "


def test_a_broken_connection_is_retried(install: Install, tmp_path: Path) -> None:
    """The first two attempts get an index that is down."""
    uv = tmp_path / "home/.local/bin/uv"
    uv.unlink()
    uv.write_text(
        f"#!/bin/sh\necho x >> {tmp_path}/tries\n"
        f'[ "$1" = venv ] || [ $(wc -l < {tmp_path}/tries) -ge 4 ] || '
        f"export UV_CONFIG_FILE=/dev/null UV_DEFAULT_INDEX={NOBODY}/simple\n"
        f'exec {UV} "$@"\n'
    )
    uv.chmod(0o755)
    said = install("mine", "s3", "cpu", VERSION)
    assert said.count("clipvec: retrying in 0 s\n") == 2
    assert versions(tmp_path, "mine", "clipvec", "tiny", "more") == "7 1 1 "


def test_what_cannot_be_resolved_ends_the_job(install: Install, sky_workdir: Path) -> None:
    (sky_workdir / "lock.txt").write_text("tiny==9\n")
    said = install("mine", "", "cpu", VERSION, exit_code=1)
    assert "there is no version of tiny==9" in said
    assert "trying again" not in said


def test_torch_from_pypi_if_its_own_index_is_unreachable(
    install: Install, sky_workdir: Path, packages: Path, tmp_path: Path
) -> None:
    for version in ("1", "2"):
        write_wheel(packages, "torch", version)
    write_wheel(sky_workdir, "clipvec", "7", "Requires-Dist: torch\n")
    (sky_workdir / "lock.txt").write_text("torch==1\n")
    said = install("mine", "", "cpu", VERSION)
    assert said.count("clipvec: retrying in 0 s\n") == 2
    assert said.endswith(
        "clipvec: torch's own index (--torch-backend=cpu) has no such build; using the one "
        "from PyPI\n"
    )
    assert versions(tmp_path, "mine", "torch") == "1 "


def test_setup_prints_the_environment_of_the_job() -> None:
    cloud = {"setup": "echo before\n", "resources": {"any_of": [{"accelerators": "T4"}]}}
    assert workdir.setup(cloud, "embed-1-0.1.0", ["s3", "sample"]) == (
        "set -e\necho before\n"
        f"bash ~/sky_workdir/install.sh embed-1-0.1.0-s3-sample s3,sample auto {VERSION}\n"
    )
    assert workdir.run("exec python\n", "embed-1-0.1.0", ["s3", "sample"]) == (
        "export PATH=~/clipvec/embed-1-0.1.0-s3-sample/bin:$PATH\nexec python\n"
    )


@pytest.mark.parametrize(
    ("cloud", "torch"),
    [
        ({"resources": {"accelerators": {"L4": 1}}}, "auto"),
        ({"resources": {"ordered": [{"cpus": 8}, {"instance_type": "g5.xlarge"}]}}, "auto"),
        ({"resources": {"cpus": "8+", "accelerators": None}}, "cpu"),
        ({"resources": {"accelerators": {"L4": 1}}, "image": "docker:me/clipvec"}, "image"),
    ],
)
def test_the_torch_build_fits_the_machine(cloud: dict[str, object], torch: str) -> None:
    assert workdir.setup(cloud, "x", []).split()[-2] == torch


def test_contents_of_the_workdir(tmp_path: Path) -> None:
    workdir.pack(tmp_path, [(), ("s3",), ()])
    assert sorted(file.name for file in tmp_path.iterdir() if file.suffix != ".whl") == [
        "install.sh",
        "lock-s3.txt",
        "lock.txt",
    ]
    assert os.access(tmp_path / "install.sh", os.R_OK)
