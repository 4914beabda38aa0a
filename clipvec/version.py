"""The version of the running code."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

__version__ = "0.1.0"
VARIABLE = "CLIPVEC_CODE"
"""Environment variable that tells a job the version that launched it."""
_ROOT = Path(__file__).resolve().parents[1]
_SHIPPED = ("clipvec", "conf", "launchers", "pyproject.toml")


@cache
def version() -> str:
    """Return the version, such as ``0.1.0``; in a checkout with its commit: ``0.1.0+g1a2b3c4``.

    The suffix ``.dirty`` means that files differ from the commit. A job runs the wheel built where
    it was launched, and reports the same version.
    """
    told = os.environ.get(VARIABLE)
    if told:
        return told
    if not (_ROOT / ".git").exists():
        return __version__
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        dirty = ".dirty" if _git("status", "--porcelain", "--", *_SHIPPED) else ""
    except (OSError, subprocess.CalledProcessError):  # no git here, or no commit yet
        return __version__
    return f"{__version__}+g{commit}{dirty}"


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of this code, of Python, and of packages, for a report."""
    import platform
    from importlib import metadata

    found = {"clipvec": version(), "python": platform.python_version()}
    return found | {name: metadata.version(name) for name in packages}


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(_ROOT), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
