"""Resolve clipvec's requirements by uv, as jobs and replicas do, and by pip, as people do.

    python scripts/resolve_requirements.py WHEEL

For each set of extras: for each Python that clipvec promises, and for this one with the versions
that its jobs get. Nothing is installed, but PyPI is asked, so this is not one of the tests:
scripts/release runs it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from clipvec.jobs.skypilot.lock import lock

PYTHONS = ("3.11", "3.12", "3.13")
_MODELS, _URLS = ("onnx", "sample", "transformers"), ("gcs", "s3")
SETS: dict[str, tuple[str, ...]] = {
    "clipvec": (),
    "clipvec.embed": ("heic", "huggingface", "jxl", "raw", *_MODELS, *_URLS),
    "clipvec.index": ("dashboard", "faiss", *_URLS),
    "clipvec.recall": ("dashboard", "faiss", "recall", *_MODELS, *_URLS),
    "clipvec.serve": ("faiss", "serve", *_MODELS, *_URLS),
    "everything": (
        *("dashboard", "docs", "faiss", "heic", "huggingface", "jxl", "photos", "raw", "recall"),
        *("serve", "sky", *_MODELS, *_URLS),
    ),
}
"""The extras that a command may need together. What resolves one of these sets is a solution for
each part of it as well."""
BY_PIP = ("clipvec", "everything")
"""The sets that pip resolves too, which takes it minutes of CPU time."""
_WITHOUT_WHEEL = "antlr4-python3-runtime==4.9.3"
"""Hydra's; pip accepts only wheels when it resolves for another Python."""
_PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


class Resolution(NamedTuple):
    """A command that succeeds if there is a solution."""

    name: str
    command: tuple[str, ...]
    requirement: str
    """Its standard input."""

    def run(self) -> bool:
        """Say whether there is a solution, and return it."""
        began = time.monotonic()
        done = subprocess.run(
            self.command,
            input=self.requirement,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        ok = done.returncode == 0
        said = f"{'ok' if ok else 'FAILED'}: {self.name} ({time.monotonic() - began:.0f} s)"
        print(said if ok else f"{said}\n{done.stdout}", flush=True)
        return ok


def resolutions(wheel: Path, folder: Path) -> list[Resolution]:
    """Return all that are to be tried.

    Args:
        wheel: of clipvec.
        folder: for files; pip finds more wheels there.
    """
    here, made = "{}.{}".format(*sys.version_info), []
    for name, extras in SETS.items():
        requirement = f"clipvec[{','.join(extras)}] @ {wheel.as_uri()}"
        for python in PYTHONS:
            made.append(Resolution(f"{name}, {python}, uv", _uv(python), requirement))
            if name in BY_PIP:
                pip = (*_pip(python, folder), requirement)
                made.append(Resolution(f"{name}, {python}, pip", pip, ""))
        locked = folder / f"{name}.txt"
        locked.write_text("".join(f"{line}\n" for line in lock(wheel, extras)), encoding="utf-8")
        uv = (*_uv(here), "--constraints", str(locked))
        made.append(Resolution(f"{name}, {here} with its lock, uv", uv, requirement))
    return made


def _uv(python: str) -> tuple[str, ...]:
    command = ("uv", "pip", "compile", "--quiet", "--python-version", python)
    return (*command, "--python-platform", "linux", "-")


def _pip(python: str, folder: Path) -> tuple[str, ...]:
    command = (*_PIP, "install", "--dry-run", "--ignore-installed", "--target", str(folder))
    command += ("--python-version", python, "--only-binary=:all:")
    return (*command, "--find-links", str(folder))


def main() -> int:
    """Try all of them, two at a time; the exit code is 1 if one has no solution."""
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(2) as threads:
        wheel = [*_PIP, "wheel", "--no-deps", "--wheel-dir", name, _WITHOUT_WHEEL]
        subprocess.run(wheel, check=True)
        tried = resolutions(Path(sys.argv[1]).resolve(), Path(name))
        return int(not all(list(threads.map(Resolution.run, tried))))


if __name__ == "__main__":
    sys.exit(main())
