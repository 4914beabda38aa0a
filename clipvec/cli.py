"""Runs every command: user errors become one line on stderr and an exit code."""

from __future__ import annotations

import argparse
import functools
import logging
import os
import re
import select
import shlex
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from clipvec import process
from clipvec.errors import (
    ClipvecError,
    ConfigError,
    Interrupted,
    holds_secret,
    one_line,
    signal_of,
)
from clipvec.paths import CONF_DIR

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from types import FrameType

    from hydra.experimental.callback import Callback
    from omegaconf import DictConfig

END_SECONDS = 18.0
"""After SIGTERM, whatever threads do: many schedulers kill after 20 or 30."""
_FULL_ERROR = "HYDRA_FULL_ERROR"
_HYDRAS = ("[", "'", '"')
"""Beginnings of values that are lists or quoted."""
_PATHS = {"dataset.path", "dataset.manifest", "index.path", "store.root"}
"""Options whose values shells complete: with blanks, brackets and ``=``."""


def commands() -> dict[str, Path]:
    """Return the file of each command's entry point, by the command's name, in order."""
    found = Path(__file__).parent.glob("*/__main__.py")
    return {path.parent.name: path for path in sorted(found)}


class HydraCommand:
    """A command whose configuration Hydra composes from ``conf/<name>.yaml``.

    Hydra itself reports errors with stacks and hints, and stops a local sweep at the first job
    that fails. Here errors of clipvec and of Hydra are one line on stderr and an exit code; with
    ``HYDRA_FULL_ERROR=1`` they are raised.
    """

    def __init__(
        self,
        name: str,
        task: Callable[[DictConfig], None],
        about: str | None,
        flags: Mapping[str, str] | None = None,
        texts: Collection[str] = (),
    ) -> None:
        """Define a command.

        Args:
            name: name of the command, its configuration and its job.
            task: called with the configuration.
            about: what the command does, with examples: the docstring of its module.
            flags: command-line flags and the overrides that they stand for.
            texts: options of which a value is taken as it is typed, such as ``where=stars>=2``,
                unless it is a list or in quotes; Hydra's grammar would refuse it.
        """
        self.name, self.task, self.about = name, task, about or ""
        self.texts = texts
        self.flags = dict(flags or {})
        self._failures: list[ClipvecError] = []
        self._tracebacks = False

    def main(self) -> None:
        """Run the command with the arguments of this process; exit if it failed."""
        self._failures, self._tracebacks = [], full_errors()
        words = self.words(sys.argv[1:])
        if "--version" in words:
            print_version()
        elif {"--help", "-h"} & set(words):
            run(lambda: self._help(words))
        else:
            run(lambda: self._start(words))
            if self._failures:
                sys.exit(self._failures[0].exit_code)

    def words(self, arguments: Sequence[str]) -> list[str]:
        """Return the arguments of a command line as Hydra reads them."""
        swept = not {"-m", "--multirun"}.isdisjoint(arguments)  # a comma between two values
        texts = self.texts if swept else {*self.texts, *_PATHS}
        return [self.flags.get(word) or _literally(word, texts) for word in arguments]

    def _help(self, words: Sequence[str]) -> None:
        from clipvec import config

        with self._hydra_errors(words):
            options = config.help_text(self.name, _overrides(words))
        print(f"{plain(self.about)}\n\n{options}")

    def _start(self, words: Sequence[str]) -> None:
        import hydra

        _refuse_swept_launcher(words)
        _overrides(words)  # Hydra would print its usage

        @functools.wraps(self.task)  # Hydra and the sweep launcher read its module
        def job(cfg: DictConfig) -> None:
            self._job(cfg)

        main = hydra.main(version_base="1.3", config_path=str(CONF_DIR), config_name=self.name)(job)
        with self._hydra_errors(words), _arguments(words):
            main()

    def _job(self, cfg: DictConfig) -> None:
        """Run the task; hide its error from Hydra, which would not start the remaining jobs."""
        try:
            _refuse_single_run(self.name)
            self.task(cfg)
        except ClipvecError as error:
            if self._tracebacks:
                raise
            print_error(error)
            self._failures.append(error)
            if isinstance(error, Interrupted):
                sys.exit(error.exit_code)
        except BrokenPipeError as error:  # of which Hydra would print that the job failed
            if self._tracebacks:
                raise
            lost = _lost(error)
            print_error(lost)
            self._failures.append(lost)

    @contextmanager
    def _hydra_errors(self, words: Sequence[str]) -> Iterator[None]:
        """Turn Hydra's errors into one line."""
        from hydra.errors import HydraException
        from omegaconf.errors import OmegaConfBaseException

        from clipvec import config

        if self._tracebacks:
            yield
            return
        try:
            with _raised_by_hydra():
                yield
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(config.explain(error, self.name)) from error
        except ValueError:
            # Hydra raises one for a few overrides, such as model=null; any other is a bug.
            config.check_overrides(self.name, _overrides(words))
            raise


def literal_paths(words: Iterable[str]) -> list[str]:
    """Return overrides as Hydra reads them: a path, as a shell completes it, means itself."""
    return [_literally(word, _PATHS) for word in words]


def _literally(word: str, texts: Collection[str]) -> str:
    """Return an argument as Hydra reads it: quoted, if it is the value of one of ``texts``."""
    key, _, value = word.partition("=")
    if key not in texts or value == "null" or value.startswith(_HYDRAS) or "${" in value:
        return word
    from clipvec import config

    return config.override(key, value)


def _overrides(words: Sequence[str]) -> list[str]:
    """Return the arguments that are neither Hydra's flags nor their values.

    Raises:
        ConfigError: a flag is not one of Hydra's, or lacks its value.
    """
    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()
    parser.exit_on_error = False
    try:
        known, unknown = parser.parse_known_args(words)
    except argparse.ArgumentError as error:
        raise ConfigError(f"{error}; --hydra-help explains Hydra's flags") from error
    if unknown:
        raise ConfigError(
            f"{unknown[0]} is not a flag here; options are written key=value, as in shards=3"
        )
    return list(known.overrides)


@contextmanager
def _arguments(words: Sequence[str]) -> Iterator[None]:
    """Set the arguments of this process, from which Hydra reads them."""
    before = sys.argv
    sys.argv = [before[0], *words]
    try:
        yield
    finally:
        sys.argv = before


@contextmanager
def _raised_by_hydra() -> Iterator[None]:
    """Make Hydra raise its errors instead of printing them with stacks and hints."""
    os.environ[_FULL_ERROR] = "1"
    try:
        yield
    finally:
        del os.environ[_FULL_ERROR]


def _refuse_swept_launcher(arguments: Sequence[str]) -> None:
    """Refuse what Hydra would treat as a sweep over launchers and run on the default one."""
    for argument in arguments:
        if re.match(r"launcher=.*[,(]", argument):
            raise ConfigError(
                f"{argument}: a sweep has one launcher; start one command for each of them"
            )


def _refuse_single_run(name: str) -> None:
    """Refuse a sweep launcher without -m, where Hydra would silently run everything here."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    hydra = HydraConfig.get()
    launcher = hydra.runtime.choices.get("launcher", "local")
    if hydra.mode is RunMode.RUN and launcher != "local":
        arguments = " ".join(map(shlex.quote, hydra.overrides.task))
        raise ConfigError(
            f"launcher={launcher} starts sweeps, which -m asks for: clipvec {name} -m {arguments}"
        )


def secrets_callback() -> Callback:
    """Return what refuses a URL with a secret before Hydra writes it into a run's folder.

    A callback of Hydra, named in ``conf/common.yaml``. A value such as ``${oc.env:NAME}`` is
    written as it stands.
    """
    from hydra.experimental.callback import Callback
    from omegaconf import OmegaConf

    class RefuseSecrets(Callback):
        def on_run_start(self, config: DictConfig, **_: Any) -> None:
            if holds_secret(OmegaConf.to_yaml(config, resolve=False)):
                # By SystemExit: Hydra makes a warning of an Exception.
                fail(
                    ConfigError(
                        "a URL has a password or a signature in it, which would be written into "
                        "the run's folder; put the URL into the environment or .env under a name "
                        "such as DATASET_URL, and give dataset.path='${oc.env:DATASET_URL}'"
                    )
                )

        on_multirun_start = on_run_start

    return RefuseSecrets()


def run(main: Callable[[], object]) -> None:
    """Call ``main``; on a user error, print one line on stderr and exit."""
    if full_errors():
        main()
        return
    signal.signal(signal.SIGTERM, _interrupt)
    # A log that cannot be written, as wandb's on a full disk, is no reason for a stack on stderr.
    logging.raiseExceptions = False
    try:
        with process.after_sigterm(END_SECONDS, _end):
            main()
    except ClipvecError as error:
        fail(error)
    except KeyboardInterrupt as error:
        signum = signal_of(error)
        fail(Interrupted(signum, f"stopped by {signal.Signals(signum).name}"))
    except BrokenPipeError as error:
        fail(_lost(error))


def _lost(error: BrokenPipeError) -> ClipvecError:
    """Return the user's error; end the process if its reader, such as `head`, has read enough."""
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)
    if output.poll(0):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    return ClipvecError(
        f"{error}: a process or a server that this command writes to has gone; run it again"
    )


def _end() -> None:
    """End the process without its threads."""
    print_error(Interrupted(signal.SIGTERM, "stopped by SIGTERM, before its threads had ended"))
    os._exit(128 + signal.SIGTERM)


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    # Like Ctrl-C, so that code that handles one handles both; not an Exception, which any library
    # in between might catch.
    raise KeyboardInterrupt(signum)


def full_errors() -> bool:
    """Return whether the user asked for tracebacks, by Hydra's own variable."""
    return os.environ.get(_FULL_ERROR) == "1"


def print_error(error: Exception) -> None:
    """Print an error as one line on stderr."""
    print(f"error: {one_line(error)}", file=sys.stderr)


def fail(error: ClipvecError) -> NoReturn:
    """Print an error as one line and end the process with its exit code."""
    print_error(error)
    sys.exit(error.exit_code)


def plain(docstring: str) -> str:
    """Return a docstring as text for a terminal."""
    return docstring.strip().replace("``", "")


def print_version() -> None:
    """Print the version of clipvec."""
    from clipvec.version import version

    print(f"clipvec {version()}")


class VersionOption(argparse.Action):
    """``--version`` for the commands that use argparse."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version of clipvec")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Print the version and exit."""
        print_version()
        parser.exit()


class Arguments(argparse.ArgumentParser):
    """A parser that refuses in one line, without its usage."""

    def error(self, message: str) -> NoReturn:
        """Print what argparse refuses, with what may have been meant; exit with code 2."""
        fail(ConfigError(_refused(message, self.prog, self._option_string_actions)))


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
        super().__init__(prog=f"clipvec {name}", formatter_class=layout, allow_abbrev=False)
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
