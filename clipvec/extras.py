"""Packages that clipvec's extras install: which are there, and what to say of one that is not."""

from __future__ import annotations

from importlib.util import find_spec

from clipvec.errors import MissingPackageError, one_line

SCHEME_EXTRAS = {"s3": "s3", "gs": "gcs", "gcs": "gcs"}
"""Extras that read and write the URLs of a scheme."""


def is_installed(package: str) -> bool:
    """Return whether a package can be imported, without importing it."""
    return find_spec(package) is not None


def require(what: str, extra: str, *packages: str) -> None:
    """Check that packages of an extra are installed, without importing them.

    Raises:
        MissingPackageError: one is missing.
    """
    for package in packages:
        if not is_installed(package):
            raise missing(what, extra, package)


def missing(what: str, extra: str, package: str) -> MissingPackageError:
    """Return the error of something whose package is not installed."""
    return MissingPackageError(
        f"{what} needs the package {package}, which is not installed; run: {install_command(extra)}"
    )


def missing_for_url(what: str, url: str, error: ImportError) -> MissingPackageError:
    """Return the error of something at a URL whose scheme needs a package that is not installed."""
    extra = SCHEME_EXTRAS.get(url.partition("://")[0])
    mend = f"run: {install_command(extra)}" if extra else one_line(error)
    return MissingPackageError(f"{what} needs a package that is not installed; {mend}")


def install_command(extra: str) -> str:
    """Return the command that installs an extra."""
    return f"pip install 'clipvec[{extra}]'"
