"""Write what machines without an environment of ours install from: bare_machines.py DIR UV_TOML.

PyPI is the only host that uv reaches there. Two things come from here instead: Python, which uv
would download from GitHub, and torch, of which PyPI has only the build of 5 GB. Its wheels are
empty but for a path to the files of this environment's torch, and to nothing else of it.
"""

from __future__ import annotations

import platform
import sys
import sysconfig
import zipfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CONFIG = """\
find-links = ["{wheels}"]
system-certs = true
https-proxy = "http://127.0.0.1:9"
no-proxy = ["pypi.org", "files.pythonhosted.org"]
"""
_BUILD = ("nvidia", "cuda", "triton")
"""How the names of the packages begin that belong to torch's build, and of their folders."""


def main(folder: Path, config: Path) -> None:
    """Write ``uv-python``, ``wheels`` and ``torch`` into a folder, and uv's configuration."""
    version = platform.python_version()
    python = folder / f"uv-python/cpython-{version}-linux-{platform.machine()}-gnu"
    _link(python, Path(sys.base_prefix).iterdir())
    site = Path(sysconfig.get_path("purelib"))
    owned = ("torch", "functorch", *_BUILD)
    _link(folder / "torch", (f for f in site.iterdir() if f.name.startswith(owned)))
    for name in ("torch", "torchvision"):
        write_wheel(folder / "wheels", name, folder / "torch")
    config.write_text(CONFIG.format(wheels=folder / "wheels"), encoding="utf-8")


def _link(folder: Path, files: Iterable[Path]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        link = folder / file.name
        if not link.is_symlink() and not file.name.endswith(".dist-info"):
            link.symlink_to(file)


def write_wheel(folder: Path, name: str, place: Path) -> None:
    """Write a wheel that requires what an installed package does, and finds it in a place."""
    found = metadata.distribution(name)
    version = f"{found.version.partition('+')[0]}+here"
    requires = [each for each in found.requires or () if not each.startswith(_BUILD)]
    about = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    about += [f"Requires-Dist: {each}" for each in requires]
    wheel = ["Wheel-Version: 1.0", "Generator: clipvec", "Root-Is-Purelib: true"]
    wheel += ["Tag: py3-none-any"]
    contents = {"METADATA": about, "WHEEL": wheel, "RECORD": []}
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}-here.pth", f"{place}\n")
        for file, lines in contents.items():
            archive.writestr(
                f"{name}-{version}.dist-info/{file}", "".join(f"{line}\n" for line in lines)
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
