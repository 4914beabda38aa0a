"""Hydra's composition, with its errors as one line that suggests the right option."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from clipvec.config.commands import SCHEMAS
from clipvec.config.load import read
from clipvec.config.options import ANY_NAME, did_you_mean, of_other_kinds, sections
from clipvec.errors import ConfigError
from clipvec.paths import CONF_DIR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from omegaconf import DictConfig

    from clipvec.config.options import Section

T = TypeVar("T")


def read_command(name: str, overrides: Sequence[str], schema: type[T]) -> T:
    """Return ``conf/<name>.yaml`` with the overrides as a ``schema``.

    Raises:
        ConfigError: an override is malformed, unknown, or has a value that is not allowed.
    """
    return read(check_overrides(name, overrides), schema)


def check_overrides(name: str, overrides: Sequence[str]) -> DictConfig:
    """Compose the configuration of a command.

    Raises:
        ConfigError: Hydra refuses an override.
    """
    from hydra.errors import HydraException

    for word in overrides:  # of a group that may be left out, Hydra leaves out what it lacks
        group, _, value = word.partition("=")
        if group in {"dataset", "model"} and re.fullmatch(r"[a-z][\w-]*", value):
            known = ["null", *options_of(group)]
            if value not in known:
                raise ConfigError(_no_option(group, value, known[1:], name))
    try:
        return compose(name, overrides)
    except (HydraException, ValueError) as error:
        raise ConfigError(explain(error, name, overrides)) from error


def compose(name: str, overrides: Sequence[str], *, with_hydra: bool = False) -> DictConfig:
    """Return what Hydra composes from ``conf/<name>.yaml``; its errors are Hydra's.

    Args:
        name: of the command.
        overrides: as on a command line.
        with_hydra: keep the section ``hydra``, which has the groups that were chosen.
    """
    import hydra

    with _no_other_hydra(), hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        return hydra.compose(name, overrides=list(overrides), return_hydra_config=with_hydra)


def takes(name: str, word: str) -> bool:
    """Return whether an override is of an option or a group of a command."""
    key = word.partition("=")[0].lstrip("+~")
    return key.partition(".")[0] in SCHEMAS[name].__annotations__


@contextmanager
def _no_other_hydra() -> Iterator[None]:
    """Set aside the Hydra of the command or the program around this: there can be only one."""
    from hydra.core.global_hydra import GlobalHydra

    state = GlobalHydra.instance()
    outer, state.hydra = state.hydra, None
    try:
        yield
    finally:
        state.hydra = outer


def groups(composed: DictConfig) -> dict[str, str | None]:
    """Return the groups that a command takes and what is chosen of each, from its composition."""
    chosen = composed.hydra.runtime.choices
    return {group: chosen[group] for group in chosen if not group.startswith("hydra/")}


def options_of(group: str) -> list[str]:
    """Return the names that a group offers."""
    return sorted(path.stem for path in (CONF_DIR / group).glob("*.yaml"))


def explain(error: Exception, name: str, overrides: Sequence[str]) -> str:
    """Return one line that says what Hydra refused of some overrides, and how to fix it."""
    from hydra.errors import MissingConfigException, OverrideParseException

    if isinstance(error, OverrideParseException):
        if not re.match(r"[+~]*[\w.@/-]+=.", error.override or ""):
            return _no_assignment(str(error.override), overrides)
        return (
            f"cannot parse {error.override}; quote a value with ~ {{ }} = , or spaces "
            "once for the shell and once for Hydra: 'key=\"value\"'"
        )
    if isinstance(error, MissingConfigException) and error.options:
        group, _, value = str(error.missing_cfg_file).rpartition("/")
        return _no_option(group, value, error.options, name)
    if str(error).startswith("Config group override must be a string"):
        return (
            "a group takes one of its options, and neither null nor a number: sharding=x10, or "
            "sharding.count=10; --help lists them"
        )
    if twice := re.match(r"Multiple values for (\w+)\.", str(error)):
        return f"{twice[1]} has its place already; write {twice[1]}=..., without +"
    unknown = re.match(r"Could not (?:override|delete from config\.|delete) '([^']+)'", str(error))
    return _unknown(unknown[1], name, overrides) if unknown else _one_line(error)


def _no_assignment(word: str, overrides: Sequence[str]) -> str:
    """Say of a word that is no key=value what it may belong to."""
    said = f"{word} is no option: those are written key=value"
    at = overrides.index(word) if word in overrides else 0
    key, assigns, _ = overrides[at - 1].partition("=") if at else ("", "", "")
    if assigns and not options_of(key):
        return (
            f"{said}; if it belongs to the value of {key}, put that in quotes: '{key}=... {word}'"
        )
    return f"{said}, without blanks; a folder of images is dataset=folder dataset.path=..."


def _no_option(group: str, value: str, known: Sequence[str], name: str) -> str:
    """Say of a choice that a group does not have what may have been meant."""
    meant = did_you_mean(value, known)
    there = f"{' There' if meant else '; there'} are {', '.join(known)}"
    named = group in {"dataset", "model"} and name != "embed"
    own = f"; the store of one that was called so is named by {group}.name={value}" if named else ""
    return f"{group}={value}: no such option{meant}{there}{own}"


def _unknown(key: str, name: str, overrides: Sequence[str]) -> str:
    """Say of a key that the composed configuration lacks whether it can be added, or what it is."""
    from omegaconf import OmegaConf

    composed = _with_choices(name, overrides)
    values = OmegaConf.to_container(composed)
    found = [*sections(SCHEMAS[name])]
    known = {option.key for section in found if section.fits(values) for option in section.options}
    known |= {*groups(composed), *_flat(composed)}
    typed = sorted(k for k in known if ANY_NAME not in k and not key.startswith(f"{k}."))
    if _can_be_added(key, found):
        meant = did_you_mean(key, typed, at_least=0.9)
        return f"{key} is not set yet{meant + ' Or' if meant else ';'} add it as +{key}=..."
    hint = of_other_kinds(key, found, values) or did_you_mean(key, typed)
    return f"{key} is not an option here{hint or '; --help lists them'}"


def _with_choices(name: str, overrides: Sequence[str]) -> DictConfig:
    """Return the composition of a command with what some overrides choose of its groups."""
    from hydra.errors import HydraException

    plain = compose(name, [], with_hydra=True)
    chosen = [word for word in overrides if word.partition("=")[0] in groups(plain)]
    try:
        return compose(name, chosen, with_hydra=True)
    except (HydraException, ValueError):  # such as model=a,b in a sweep
        return plain


def _can_be_added(key: str, found: list[Section]) -> bool:
    """Return whether a key fits the dataclasses, of a group with kinds each of them."""
    kinds = Counter(section.key for section in found)
    fits: Counter[str] = Counter()
    for section in found:
        for option in section.options:
            pattern = re.escape(option.key).replace(ANY_NAME, r"[^.]+")
            if re.fullmatch(pattern + (r"(\..+)?" if option.is_mapping else ""), key):
                fits[section.key] += kinds[section.key] if option.is_mapping else 1
    return any(ANY_NAME in one or fits[one] >= kinds[one] for one in fits)


def _flat(values: Any, prefix: str = "") -> Iterator[str]:
    from omegaconf import DictConfig

    for key in values:
        yield f"{prefix}{key}"
        inner = values._get_node(key)
        if isinstance(inner, DictConfig) and not inner._is_none() and not inner._is_missing():
            yield from _flat(inner, f"{prefix}{key}.")


def _one_line(error: Exception) -> str:
    """Return Hydra's message without what only Hydra's developers want to see."""
    cause = f" {error.__cause__}" if isinstance(error.__cause__, Exception) else ""
    text = f"{error}{cause}".split("Config search path:")[0]
    lines = (line.strip() for line in re.sub(r"^In '\w+': ", "", text).splitlines())
    return " ".join(x for x in lines if not x.startswith(("full_key:", "object_type=")))
