"""docs/configuration.md."""

from __future__ import annotations

from scripts.write_configuration import PAGE, page


def test_the_page_is_up_to_date() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == page(), "run python scripts/write_configuration.py"
