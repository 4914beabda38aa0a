"""What machines of the local cloud install from that have nothing of ours."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "scripts/local_cloud/bare_machines.py"
UV = Path(sys.prefix, "bin/uv")


def test_torch_and_python_are_those_from_here(tmp_path: Path) -> None:
    """The real uv, which makes an environment with this Python and this torch, and nothing else."""
    home, config = tmp_path / "home", tmp_path / "uv.toml"
    for _ in range(2):  # as when a local cloud is started again
        subprocess.run([sys.executable, SCRIPT, tmp_path, config], check=True)
    (home / ".local/share/uv").mkdir(parents=True)
    (home / ".local/share/uv/python").symlink_to(tmp_path / "uv-python")

    def uv(*arguments: str) -> None:
        alone = {"HOME": str(home), "PATH": "/usr/bin:/bin", "UV_CONFIG_FILE": str(config)}
        subprocess.run([UV, *arguments], env=alone | {"UV_OFFLINE": "1"}, check=True, cwd=home)

    uv("venv", "--quiet", "--python", "{}.{}".format(*sys.version_info), "made")
    wanted = [f"{name}=={version(name).partition('+')[0]}" for name in ("torch", "torchvision")]
    uv("pip", "install", "--quiet", "--python", "made", "--no-deps", *wanted)
    code = (
        "import importlib.util as u, sys; from importlib.metadata import version\n"
        "print(sys.version)\n"
        "print(version('torch'), *(u.find_spec(x) is not None for x in ('torchvision', 'numpy')))"
    )
    done = subprocess.run(
        [home / "made/bin/python", "-I", "-c", code], capture_output=True, text=True, check=True
    )
    *python, found = done.stdout.splitlines()
    assert "\n".join(python) == sys.version
    assert found == f"{wanted[0].removeprefix('torch==')}+here True False"
