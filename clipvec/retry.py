"""What a moment can mend is tried again within a job: a busy hub or bucket, a broken download."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, TypeVar

import tenacity

from clipvec.data import is_transient
from clipvec.errors import ClipvecError, one_line
from clipvec.tracking import SWEEP_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)
TRIES = 5
_WAIT = tenacity.wait_exponential(multiplier=20, max=300) + tenacity.wait_random(0, 10)
"""Seconds between tries; some, at random, for jobs that were all refused at the same time."""
T = TypeVar("T")


def in_place(work: Callable[[], T]) -> T:
    """Return what ``work`` returns; in a sweep's job, try it again after errors that may pass.

    Outside of sweeps somebody reads the error, and nothing is paid for meanwhile.

    Args:
        work: goes on from where it stopped, when it is called again.
    """
    if not os.environ.get(SWEEP_VARIABLE):
        return work()
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(may_pass),
        wait=_WAIT,
        stop=tenacity.stop_after_attempt(TRIES),
        before_sleep=_say,
        reraise=True,
    )(work)


def may_pass(error: BaseException) -> bool:
    """Return whether an error has a cause that a moment can mend."""
    if not isinstance(error, ClipvecError) or error.exit_code != 1:
        return False
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, Exception) and is_transient(cause):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _say(state: tenacity.RetryCallState) -> None:
    assert state.outcome is not None
    assert state.next_action is not None
    log.warning(
        "%s; trying again in %.0f s (%d of %d)",
        one_line(state.outcome.exception()),
        state.next_action.sleep,
        state.attempt_number + 1,
        TRIES,
    )
