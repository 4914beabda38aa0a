"""One-line messages."""

from __future__ import annotations

from clipvec.errors import one_line


def test_free_text_becomes_one_printable_line() -> None:
    assert one_line("a\nb\x1b[31m\x00c\u202e\ud800 d") == "a b [31m c d"
    assert one_line(ValueError("  two\r\n\tlines\xa0")) == "two lines"
    assert one_line("می\u200cروم") == "می\u200cروم"
