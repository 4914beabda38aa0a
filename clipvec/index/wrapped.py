"""An index around another, which answers for it in part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clipvec.index.base import VectorIndex

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clipvec.index.base import BuildStats


class WrappedIndex(VectorIndex):
    """Passes on what an index says of itself; rows and searches are the subclass's to answer."""

    def __init__(self, held: VectorIndex) -> None:
        self.held = held
        """The index as it is."""
        self.name, self.location = held.name, held.location
        self.info, self.capabilities = held.info, held.capabilities

    def close(self) -> None:
        """Close the index."""
        self.held.close()

    def check_files(self) -> None:
        """Compare every byte of the index's files."""
        self.held.check_files()

    @property
    def settings(self) -> Mapping[str, Any]:
        """Build and search settings, in the backend's own words."""
        return self.held.settings

    def set_search_settings(self, settings: Mapping[str, Any]) -> None:
        """Change search settings for processes that open the index from now on."""
        self.held.set_search_settings(settings)

    @property
    def expected_rows(self) -> int | None:
        """Rows that a first loading, not finished yet, will bring; None: it is finished."""
        return self.held.expected_rows

    @property
    def build_id(self) -> str:
        """A different text for every build."""
        return self.held.build_id

    @property
    def build_stats(self) -> BuildStats | None:
        """What the build took; None: unknown, or several runs built it."""
        return self.held.build_stats
