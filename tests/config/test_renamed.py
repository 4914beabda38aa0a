"""Old names of options."""

from __future__ import annotations

from functools import cache

import pytest

from clipvec import config
from clipvec.config.commands import SCHEMAS
from clipvec.config.compose import compose, groups
from clipvec.config.options import sections
from clipvec.config.renamed import RENAMED, new_name
from clipvec.errors import ConfigError


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


def test_no_new_name_is_also_an_old_one() -> None:
    assert {new_name(new) for new in RENAMED.values()} == {None}


@cache
def names(command: str) -> set[str]:
    """Return the options and groups of a command."""
    options = {option.key for s in sections(SCHEMAS[command]) for option in s.options}
    return options | set(groups(compose(command, [], with_hydra=True)))


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_name_is_refused_with_the_new_one(old: str, new: str) -> None:
    known = {command: names(command) for command in SCHEMAS}
    assert any({old, new} & each for each in known.values())
    where = [command for command, each in known.items() if new in each and old not in each]
    tried = [(command, f"{old}=1") for command in where]
    tried += [(command, f"{added}{old}=1") for command in where[:1] for added in ("+", "++")]
    for command, override in tried:
        with pytest.raises(ConfigError, match=f"^{old} is now {new}$"):
            config.read_command(command, [override], SCHEMAS[command])
