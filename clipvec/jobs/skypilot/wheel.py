"""The wheel of the running code, for jobs to install."""

from __future__ import annotations

import zipfile
from importlib import metadata
from pathlib import Path

import clipvec
from clipvec.errors import ConfigError
from clipvec.extras import missing

_ROOT = Path(clipvec.__file__).parents[1]
_OF_ENVIRONMENT = {"INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json"}
"""Metadata files that are not part of the wheel, or differ from those in it."""


def wheel_name() -> str:
    """Return the file name of the wheel."""
    return f"clipvec-{metadata.version('clipvec')}-py3-none-any.whl"


def build_wheel(folder: Path) -> Path:
    """Write the wheel into ``folder`` and return it: from the checkout, or from the installation.

    Raises:
        ConfigError: the build tool is missing, or the list of installed files is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (_ROOT / "pyproject.toml").is_file():
        return _from_checkout(folder)
    return _from_installed(folder)


def _from_checkout(folder: Path) -> Path:
    try:
        from hatchling.builders.wheel import WheelBuilder
    except ImportError as error:
        raise missing("the wheel that jobs install", "sky", "hatchling") from error
    return Path(*WheelBuilder(str(_ROOT)).build(directory=str(folder), versions=["standard"]))


def _from_installed(folder: Path) -> Path:
    """Repack the installed files, without those specific to this environment."""
    distribution = metadata.distribution("clipvec")
    files = [
        file
        for file in distribution.files or []
        if ".." not in file.parts and file.suffix != ".pyc" and file.name not in _OF_ENVIRONMENT
    ]
    if not files:
        raise ConfigError(
            "clipvec was installed without a list of its files, so no wheel can be made of "
            "it for the jobs; install it with pip"
        )
    wheel = folder / wheel_name()
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for file in files:
            archive.write(str(distribution.locate_file(file)), file.as_posix())
        archive.writestr(*_record(files))
    return wheel


def _record(files: list[metadata.PackagePath]) -> tuple[str, str]:
    """Return the name and text of the wheel's RECORD."""
    (metadata_file,) = (f for f in files if f.match("*.dist-info/METADATA"))
    record = metadata_file.with_name("RECORD").as_posix()
    lines = [f"{f},{f.hash.mode}={f.hash.value},{f.size}" for f in files if f.hash]
    return record, "\n".join([*lines, f"{record},,", ""])
