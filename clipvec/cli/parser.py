"""The command lines of commands with flags of their own."""

from __future__ import annotations

import argparse
import functools
import re
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from clipvec.cli.ending import fail
from clipvec.cli.names import plain, print_version
from clipvec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class VersionOption(argparse.Action):
    """``--version`` for the commands that use argparse."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version of clipvec")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Print the version and exit."""
        print_version()
        parser.exit()


class Arguments(argparse.ArgumentParser):
    """A parser that refuses in one line, without its usage, and takes no abbreviations."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        """Print what argparse refuses, with what may have been meant; exit with code 2."""
        known = set(self._option_string_actions)
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                known.update(*(parser._option_string_actions for parser in action.choices.values()))
        flags = [word for word in sys.argv[1:] if word.startswith("--")]
        unknown = [flag for flag in flags if flag.partition("=")[0] not in known]
        if unknown and message.endswith("are required: COMMAND"):  # which hides what is misspelt
            message = f"unrecognized arguments: {' '.join(unknown)}"
        fail(ConfigError(_refused(message, self.prog, known)))


class Parser(Arguments):
    """The parser of a command with flags of its own; its help reads like that of the others."""

    def __init__(self, name: str, about: str | None, *, overrides: bool = False) -> None:
        """Define a command.

        Args:
            name: name of the command, and of its configuration.
            about: what the command does, with examples: the docstring of its module.
            overrides: it also takes those of its configuration.
        """
        layout = functools.partial(argparse.HelpFormatter, max_help_position=30, width=100)
        super().__init__(prog=f"clipvec {name}", formatter_class=layout)
        self._name, self._about, self._overrides = name, about or "", overrides
        self.add_argument("--version", action=VersionOption)

    def format_help(self) -> str:
        """Return what the command does, its flags, and its configuration."""
        from clipvec import config

        texts = [plain(self._about), super().format_help().strip()]
        if self._overrides:
            texts.append(config.help_text(self._name, []))
        return "\n\n".join(texts) + "\n"


def _refused(message: str, program: str, options: Iterable[str]) -> str:
    """Return argparse's message with what may have been meant."""
    from clipvec.config import did_you_mean

    if found := re.search(r"(\w+): invalid choice: '(.*)' \(choose from (.*)\)", message):
        what, word, known = found[1].lower(), found[2], re.findall(r"[\w-]+", found[3])
        return f"no such {what}: {word}{did_you_mean(word, known) or f'; there are {found[3]}'}"
    if found := re.search(r"unrecognized arguments: (.*)", message):
        word = found[1].split()[0]
        meant = did_you_mean(word, options) if word.startswith("-") else ""
        return f"{found[1]}: not an option here{meant or f'; {program} --help lists them'}"
    return f"{message}; {program} --help explains"
