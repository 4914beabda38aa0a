"""Write docs/configuration.md from the config dataclasses and the groups of conf/."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from clipvec.config.commands import SCHEMAS
from clipvec.config.compose import compose, groups, options_of
from clipvec.config.help import shown
from clipvec.config.options import ANY_NAME, Option, Section, sections, value_at
from clipvec.paths import CONF_DIR

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[1] / "docs/configuration.md"
HEAD = """# Configuration

Written by `scripts/write_configuration.py` from the dataclasses in `clipvec/config/`.

Every command reads `conf/<command>.yaml`, one option of each config group, and the overrides on its
command line: `key=value` sets an option, `group=option` chooses from a group. `--help` lists the
options of a command with their current values; `--cfg job` prints the configuration as YAML. The
query service takes its overrides from `CLIPVEC_SERVE="key=value ..."`. An option whose default is
`???` must be set.
"""
_HEADER = "| option | default | takes | meaning |\n| --- | --- | --- | --- |"


def page() -> str:
    """Return the whole page."""
    commands: list[str] = []
    seen: dict[str, dict[type, tuple[Section, str]]] = {}
    for name, schema in SCHEMAS.items():
        composed = _composed(name)
        chosen = groups(composed)
        found = sections(schema)
        commands += ["", f"## {_code(found[0].text).rstrip('.')}", ""]
        commands += _table(found[0], plain(composed))
        for section in found[1:]:
            group = section.key.split(".")[0]
            if group in chosen:
                seen.setdefault(group, {}).setdefault(section.schema, (section, name))
            else:
                commands += ["", f"`{section.key}`: {_code(section.text)}", ""]
                commands += _table(section, plain(composed))
        linked = (
            f"[{g}](#group-{g})" + (f" ({v})" if v else "") for g, v in sorted(chosen.items())
        )
        commands += ["", f"Groups, with their defaults: {', '.join(linked)}."]
    experiments = {"experiment": {}} if (CONF_DIR / "experiment").is_dir() else {}
    for group, classes in sorted({**seen, **experiments}.items()):
        commands += ["", f"## Group {group}", "", "| option | |", "| --- | --- |"]
        commands += [f"| `{group}={o}` | {_about(group, o)} |" for o in options_of(group)]
        for section, name in classes.values():
            commands += ["", f"{_code(section.text)}", "", *_table(section, _of(section, name))]
    return HEAD + "\n".join(commands) + "\n"


@cache
def _composed(name: str, *overrides: str) -> Any:
    """Return a command's configuration, with what Hydra chose of each group."""
    return compose(name, overrides, with_hydra=True)


def plain(composed: Any) -> Any:
    """Return a composed configuration as plain values, interpolations unresolved."""
    return OmegaConf.to_container(composed)


def _of(section: Section, command: str) -> Any:
    """Return a command's configuration with the group option that has the section's kind."""
    group = section.key.split(".")[0]
    options = options_of(group) if ANY_NAME not in section.key else []
    for option in [None, *options]:
        values = plain(_composed(command, *([f"{group}={option}"] if option else [])))
        if section.fits(values):
            break
    return values


def _table(section: Section, values: Any) -> Iterator[str]:
    if section.options:
        yield _HEADER
    for option in section.options:
        meaning = _code(option.text) or f"`{section.key}` is of this kind"
        yield f"| `{option.key}` | {_default(option, values)} | {option.type} | {meaning} |"


def _default(option: Option, values: Any) -> str:
    value = option.default if ANY_NAME in option.key else value_at(values, option.key)
    return f"`{shown(value)}`" if shown(value) else ""


def _about(group: str, option: str) -> str:
    """Return the comment at the head of a group's option."""
    text = (CONF_DIR / group / f"{option}.yaml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("# @package")]
    head = re.match(r"(?:#.*\n)*", "\n".join([*lines, ""]))
    assert head is not None
    comments = [line.removeprefix("#") for line in head[0].splitlines()]
    words = [f"`{' '.join(c.split())}`" if c.startswith("   ") else c.strip() for c in comments]
    return " ".join(words)


def _code(text: str) -> str:
    return re.sub(r"``([^`]*)``", r"`\1`", text).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
