"""Values within Markdown that mean just what they say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from clipvec.errors import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

# An underscore between letters is one; elsewhere it is emphasis.
_SPECIAL = re.compile(r"[\\`*\[\]<>|~&$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def escape(value: object) -> str:
    """Return a value as one line of Markdown that means just what it says."""
    from markupsafe import Markup

    if isinstance(value, Markup):
        return value
    return _SPECIAL.sub(r"\\\g<0>", printable(value))


def fenced(text: str | Sequence[str]) -> str:
    """Return lines as a code block that nothing in them can end."""
    from markupsafe import Markup

    lines = text.splitlines() if isinstance(text, str) else text
    body = "\n".join(printable(line) for line in lines)
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markup(f"{fence}\n{body}\n{fence}")
