"""Old names of options."""

from __future__ import annotations

import pytest

from clipvec.config.renamed import RENAMED, new_name


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("workers", "decode_threads"),
        ("contestants.hnsw.kind", "systems.hnsw.kind"),
        ("measure.seconds", "measure.time_budget_s"),
        ("measure", None),
        ("dataset.caption", None),
    ],
)
def test_new_name(old: str, new: str | None) -> None:
    assert new_name(old) == new


def test_no_new_name_is_an_old_one() -> None:
    assert {new_name(new) for new in RENAMED.values()} == {None}
