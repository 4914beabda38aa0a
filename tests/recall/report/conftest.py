"""A report that is written once, and a real browser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clipvec.recall import report as reports
from tests.reports import briefly, report, systems
from tests.shared import once

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "</title></svg></script><b>bold</b>",
    "' onmouseover='alert(3)",
    "$\\frac{1}{2}$ and $open",
    "{{ 7 * 7 }} {% raw %}",
    "日本語 🦜 \u202e right-to-left",
    "w" * 300,
)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an ordinary report."""
    return once(tmp_path_factory, "report", lambda place: reports.write([report()], place))


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report whose names are attacks, or hard to draw."""
    few = briefly(systems())
    named = [replace(c, name=n, factory=n) for n, c in zip(HOSTILE, few, strict=True)]
    attack = HOSTILE[0]
    made = report(
        dataset=HOSTILE[2],
        model=HOSTILE[1],
        store=attack,
        created=attack,
        systems=[*named[:-1], replace(named[-1], skipped=HOSTILE[1])],
        hardware={attack: attack},
        versions={attack: HOSTILE[1]},
        query_source={"text": attack, "image": HOSTILE[2]},
        fingerprint={attack: [attack]},
        recommendations=[
            replace(report().recommendations[0], config="\n".join([attack, "```", HOSTILE[2]]))
        ],
    )
    return once(tmp_path_factory, "hostile", lambda place: reports.write([made], place))
