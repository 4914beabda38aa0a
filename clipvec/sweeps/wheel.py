"""The wheel of the very code that runs, for jobs to install."""

from __future__ import annotations

import zipfile
from importlib import metadata
from pathlib import Path

import clipvec
from clipvec.errors import ConfigError

_ROOT = Path(clipvec.__file__).parents[1]


def name() -> str:
    """Return the file name of the wheel."""
    return f"clipvec-{metadata.version('clipvec')}-py3-none-any.whl"


def build(folder: Path) -> Path:
    """Write the wheel into ``folder`` and return it: from the checkout, or as it was installed.

    Raises:
        ConfigError: what builds wheels is not installed.
    """
    if (_ROOT / "pyproject.toml").is_file():
        return _from_checkout(folder)
    return _from_installed(folder)


def _from_checkout(folder: Path) -> Path:
    try:
        from hatchling.builders.wheel import WheelBuilder
    except ImportError as error:
        raise ConfigError(
            "hatchling, which builds the wheel that jobs install, is not installed; "
            "pip install 'clipvec[sky]'"
        ) from error
    return Path(*WheelBuilder(str(_ROOT)).build(directory=str(folder), versions=["standard"]))


def _from_installed(folder: Path) -> Path:
    """Pack the installed files again, without what belongs to this environment alone."""
    wheel = folder / name()
    distribution = metadata.distribution("clipvec")
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in distribution.files or []:
            if ".." in file.parts or file.suffix == ".pyc" or file.name in _OF_ENVIRONMENT:
                continue
            archive.write(str(distribution.locate_file(file)), file.as_posix())
    return wheel


_OF_ENVIRONMENT = {"INSTALLER", "REQUESTED", "direct_url.json"}
