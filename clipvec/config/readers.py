"""Packages that read images which Pillow alone does not."""

from __future__ import annotations

from dataclasses import dataclass

from clipvec import extras


@dataclass(frozen=True)
class Reader:
    """A package that reads images which Pillow alone does not."""

    kind: str
    """Of images."""
    package: str
    extra: str
    """Of clipvec, with which it is installed."""
    suffixes: frozenset[str]
    """Endings of names of such images, in lower case."""

    @property
    def installed(self) -> bool:
        """Whether it can be imported."""
        return extras.is_installed(self.package)

    @property
    def install_command(self) -> str:
        """The command that installs it."""
        return extras.install_command(self.extra)


HEIC = Reader("HEIC", "pillow_heif", "heic", frozenset({"heic", "heif"}))
"""What iPhones write."""
JXL = Reader("JPEG XL", "imagecodecs", "jxl", frozenset({"jxl"}))
"""Also JPEGs that were packed anew, without loss."""
RAW = Reader(
    *("raw", "rawpy", "raw"),
    frozenset({"arw", "cr2", "cr3", "dng", "nef", "orf", "raf", "rw2"}),
)
"""What cameras write, of which the preview inside is read."""
READERS = (HEIC, JXL, RAW)
