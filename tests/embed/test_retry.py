"""Errors that a moment can mend."""

from __future__ import annotations

import logging
import types

import pytest
import requests
import tenacity

from clipvec.embed import retry
from clipvec.errors import ConfigError, DatasetError, ModelError, TooManyRejects


def busy(status: int) -> Exception:
    """What a hub's client raises of an answer."""
    error = Exception(f"{status} of the hub")
    error.response = types.SimpleNamespace(status_code=status)  # type: ignore[attr-defined]
    return error


def raised(error: Exception, cause: Exception) -> Exception:
    try:
        try:
            raise cause
        except Exception as within:
            raise error from within
    except Exception as caught:
        return caught


PASSING = [busy(429), busy(503), TimeoutError(), requests.exceptions.ChunkedEncodingError("broken")]


@pytest.mark.parametrize("cause", PASSING)
@pytest.mark.parametrize("kind", [DatasetError, ModelError])
def test_errors_that_may_pass(kind: type[Exception], cause: Exception) -> None:
    assert retry.may_pass(raised(kind("weights could not be fetched"), cause))
    # deeper, as open_clip and the hub wrap each other's errors
    assert retry.may_pass(raised(kind("x"), raised(RuntimeError("y"), cause)))


@pytest.mark.parametrize(
    "error",
    [
        raised(DatasetError("x"), busy(404)),
        raised(DatasetError("x"), FileNotFoundError("x")),
        raised(ConfigError("x"), busy(503)),
        TooManyRejects("9 of 9 images were rejected"),
        busy(503),
    ],
)
def test_errors_that_come_again(error: Exception) -> None:
    assert not retry.may_pass(error)


def test_a_job_tries_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "clipvec")
    monkeypatch.setenv("CLIPVEC_SWEEP", "embed-1")
    monkeypatch.setattr(retry, "_WAIT", tenacity.wait_none())
    errors = [raised(DatasetError("the hub did not answer"), busy(429))] * 2

    def work() -> str:
        if errors:
            raise errors.pop()
        return "done"

    assert retry.in_place(work) == "done"
    assert caplog.messages == [
        f"the hub did not answer; trying again in 0 s ({n} of 5)" for n in (2, 3)
    ]


@pytest.mark.parametrize(("sweep", "tries"), [("embed-1", retry.TRIES), ("", 1)])
def test_it_ends(monkeypatch: pytest.MonkeyPatch, sweep: str, tries: int) -> None:
    monkeypatch.setenv("CLIPVEC_SWEEP", sweep)
    monkeypatch.setattr(retry, "_WAIT", tenacity.wait_none())
    tried = []

    def work() -> None:
        tried.append(1)
        raise raised(ModelError("the hub did not answer"), TimeoutError())

    with pytest.raises(ModelError, match=r"^the hub did not answer$"):
        retry.in_place(work)
    assert len(tried) == tries
