"""The frame of every command: configuration in, one line and an exit code out."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import traceback
from typing import TYPE_CHECKING, NoReturn

from clipvec.errors import ClipvecError, ConfigError, Interrupted, one_line, signal_of
from clipvec.paths import CONF_DIR

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import FrameType

    from omegaconf import DictConfig


def run_hydra(
    task: Callable[[DictConfig], None], name: str, flags: Mapping[str, str] | None = None
) -> None:
    """Run ``task`` with the configuration that Hydra composes from ``conf/<name>.yaml``.

    Errors of clipvec and of Hydra end the process with one line on stderr. With
    ``HYDRA_FULL_ERROR=1`` they are raised instead.

    Args:
        task: what to do with the configuration.
        name: the primary config, and the job's name.
        flags: command-line flags and the overrides that they stand for.
    """
    import hydra

    sys.argv[1:] = [(flags or {}).get(argument, argument) for argument in sys.argv[1:]]
    failures: list[ClipvecError] = []
    tracebacks = full_errors()

    def guarded(cfg: DictConfig) -> None:
        # Kept from Hydra, which would add a line of its own, so that one job of a local sweep
        # does not sink the others.
        try:
            _refuse_single_run(f"clipvec.{name}")
            task(cfg)
        except ClipvecError as error:
            if tracebacks:
                raise
            print_error(error)
            failures.append(error)
            if isinstance(error, Interrupted):
                sys.exit(error.exit_code)

    guarded.__module__ = task.__module__
    main = hydra.main(version_base="1.3", config_path=str(CONF_DIR), config_name=name)(guarded)

    def start() -> None:
        _refuse_swept_launcher(sys.argv[1:])
        main()

    run(start)
    if failures:
        sys.exit(failures[0].exit_code)


def _refuse_swept_launcher(arguments: Sequence[str]) -> None:
    """Refuse what Hydra would take for a sweep over launchers and run on the default one."""
    for argument in arguments:
        if re.match(r"launcher=.*[,(]", argument):
            raise ConfigError(
                f"{argument}: a sweep has one launcher; start one command for each of them"
            )


def _refuse_single_run(module: str) -> None:
    """Refuse a launcher of sweeps where Hydra would quietly run everything here."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    hydra = HydraConfig.get()
    launcher = hydra.runtime.choices.get("launcher", "local")
    if hydra.mode is RunMode.RUN and launcher != "local":
        arguments = " ".join(map(shlex.quote, hydra.overrides.task))
        raise ConfigError(
            f"launcher={launcher} starts sweeps, which -m asks for: "
            f"python -m {module} -m {arguments}"
        )


def run(main: Callable[[], object]) -> None:
    """Call ``main``; end the process with one line on stderr when a user's error comes out."""
    if full_errors():
        main()
        return
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    signal.signal(signal.SIGTERM, _interrupt)
    # Hydra would print stacks and hints of its own; with this it raises, and we print a line.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        main()
    except ClipvecError as error:
        fail(error)
    except (HydraException, OmegaConfBaseException) as error:
        fail(ConfigError(_hydra_line(error)))
    except ValueError as error:
        if not _raised_by_hydra(error):
            raise
        fail(ConfigError(_hydra_line(error)))
    except KeyboardInterrupt as error:
        signum = signal_of(error)
        fail(Interrupted(signum, f"stopped by {signal.Signals(signum).name}"))
    except BrokenPipeError:
        # The reader of a pipe, such as `head`, has what it wanted.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    finally:
        del os.environ["HYDRA_FULL_ERROR"]


def full_errors() -> bool:
    """Return whether the user asked for tracebacks, in Hydra's way."""
    return os.environ.get("HYDRA_FULL_ERROR") == "1"


def print_error(error: Exception) -> None:
    """Print an error as one line on stderr."""
    print(f"error: {one_line(error)}", file=sys.stderr)


def fail(error: ClipvecError) -> NoReturn:
    """Print an error as one line and end the process with its exit code."""
    print_error(error)
    sys.exit(error.exit_code)


def _hydra_line(error: Exception) -> str:
    """Return Hydra's message without what only Hydra's developers want to see."""
    from hydra.errors import OverrideParseException

    if isinstance(error, OverrideParseException):
        return (
            f"{error.override} is not understood; a value with ~ {{ }} = , or spaces is quoted "
            "once for the shell and once for Hydra: 'key=\"value\"'"
        )
    cause = f" {error.__cause__}" if isinstance(error.__cause__, Exception) else ""
    text = f"{error}{cause}".split("Config search path:")[0]
    lines = (line.strip() for line in re.sub(r"^In '\w+': ", "", text).splitlines())
    return " ".join(x for x in lines if not x.startswith(("full_key:", "object_type=")))


def _raised_by_hydra(error: Exception) -> bool:
    """Return whether Hydra itself raised a plain error, as it does for ``model=null``."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__", "")).startswith("hydra.")


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    # As Ctrl-C does, so that whoever stops in a way of its own does so for both; not as an
    # Exception, which any library underneath might catch.
    raise KeyboardInterrupt(signum)
