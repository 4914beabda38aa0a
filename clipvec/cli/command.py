"""Commands whose configuration Hydra composes."""

from __future__ import annotations

import functools
import os
import re
import shlex
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clipvec.cli.ending import FULL_ERROR, full_errors, lost, print_error, run
from clipvec.cli.names import plain, print_version
from clipvec.cli.words import PATHS, given_overrides, literally, refuse_cut_path
from clipvec.errors import ClipvecError, ConfigError, Interrupted
from clipvec.paths import CONF_DIR

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from omegaconf import DictConfig


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
        subcommands: Collection[str] = (),
        resumes: bool = False,
    ) -> None:
        """Define a command.

        Args:
            name: name of the command, its configuration and its job.
            task: called with the configuration.
            about: what the command does, with examples: the docstring of its module.
            flags: command-line flags and the overrides that they stand for.
            texts: options of which a value is taken as it is typed, such as ``where=stars>=2``,
                unless it is a list or in quotes; Hydra's grammar would refuse it.
            subcommands: first words that others take care of; here they may be misspelt.
            resumes: whether the same command goes on where one that was stopped ended.
        """
        self.name, self.task, self.about = name, task, about or ""
        self.texts = texts
        self.flags = dict(flags or {})
        self.subcommands = subcommands
        self.resumes = resumes
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
            run(lambda: self._start(words), self.resumes)
            if self._failures:
                sys.exit(self._failures[0].exit_code)

    def words(self, arguments: Sequence[str]) -> list[str]:
        """Return the arguments of a command line as Hydra reads them."""
        swept = not {"-m", "--multirun"}.isdisjoint(arguments)  # a comma between two values
        texts = self.texts if swept else {*self.texts, *PATHS}
        return [self.flags.get(word) or literally(word, texts) for word in arguments]

    def _overrides(self, words: Sequence[str]) -> list[str]:
        return given_overrides(words, [*self.flags, *self.subcommands, "--version"])

    def _help(self, words: Sequence[str]) -> None:
        from clipvec import config

        with self._hydra_errors(words):
            options = config.help_text(self.name, self._overrides(words))
        print(f"{plain(self.about)}\n\n{options}")

    def _start(self, words: Sequence[str]) -> None:
        import hydra

        refuse_cut_path(self.name, sys.argv[1:])
        _refuse_swept_launcher(words)
        self._overrides(words)  # Hydra would print its usage

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
            ended = lost(error)
            print_error(ended)
            self._failures.append(ended)

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
            raise ConfigError(config.explain(error, self.name, words)) from error
        except ValueError:
            # Hydra raises one for a few overrides, such as model=null; any other is a bug.
            config.check_overrides(self.name, self._overrides(words))
            raise


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
    os.environ[FULL_ERROR] = "1"
    try:
        yield
    finally:
        del os.environ[FULL_ERROR]


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
