from __future__ import annotations

import pytest

from clipvec.web import markdown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("IVF1024,PQ64", "IVF1024,PQ64"),
        ("ef_search=40", "ef_search=40"),
        ("_really_", r"\_really\_"),
        ("a|b", r"a\|b"),
        ("<b>*x*</b>", r"\<b\>\*x\*\</b\>"),
        ("[x](y)", r"\[x\](y)"),
        ("one\ntwo\x1b[31m", r"one two \[31m"),
        ("`$x$`", r"\`\$x\$\`"),
    ],
)
def test_escape(value: str, text: str) -> None:
    assert markdown.escape(value) == text


def test_fence_is_longer_than_what_it_holds() -> None:
    assert markdown.fenced(["a", "```", "b"]) == "````\na\n```\nb\n````"
