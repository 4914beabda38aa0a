"""How a command ends: user errors become one line on stderr and an exit code."""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from clipvec import process
from clipvec.errors import ClipvecError, Interrupted, one_line, signal_of, stopped

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

END_SECONDS = 18.0
"""After SIGTERM, whatever threads do: many schedulers kill after 20 or 30."""
FULL_ERROR = "HYDRA_FULL_ERROR"
"""Hydra's variable: with 1, errors are raised."""


def run(main: Callable[[], object], resumes: bool = False) -> None:
    """Call ``main``; on a user error, print one line on stderr and exit.

    Args:
        main: the command.
        resumes: whether the same command goes on where one that was stopped ended.
    """
    if full_errors():
        main()
        return
    signal.signal(signal.SIGTERM, _interrupt)
    # A log that cannot be written, as wandb's on a full disk, is no reason for a stack on stderr.
    logging.raiseExceptions = False
    try:
        with process.after_sigterm(END_SECONDS, partial(_end, resumes)):
            main()
    except ClipvecError as error:
        fail(error)
    except KeyboardInterrupt as error:
        signum = signal_of(error)
        fail(Interrupted(signum, stopped(signum)))
    except BrokenPipeError as error:
        fail(lost(error))


def lost(error: BrokenPipeError) -> ClipvecError:
    """Return the user's error; end the process if its reader, such as `head`, has read enough."""
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)
    if output.poll(0):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    return ClipvecError(
        f"{error}: a process or a server that this command writes to has gone; run it again"
    )


def _end(resumes: bool) -> None:
    """End the process without its threads."""
    mend = "; the same command does what is missing" if resumes else ""
    said = f"stopped by SIGTERM, before its threads had ended{mend}"
    print_error(Interrupted(signal.SIGTERM, said))
    os._exit(128 + signal.SIGTERM)


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    # Like Ctrl-C, so that code that handles one handles both; not an Exception, which any library
    # in between might catch.
    raise KeyboardInterrupt(signum)


def full_errors() -> bool:
    """Return whether the user asked for tracebacks, by Hydra's own variable."""
    return os.environ.get(FULL_ERROR) == "1"


def print_error(error: Exception) -> None:
    """Print an error as one line on stderr."""
    print(f"error: {one_line(error)}", file=sys.stderr)


def fail(error: ClipvecError) -> NoReturn:
    """Print an error as one line and end the process with its exit code."""
    print_error(error)
    sys.exit(error.exit_code)
