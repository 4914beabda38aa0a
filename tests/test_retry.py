"""Errors that a moment can mend."""

from __future__ import annotations

import importlib
import logging
import types

import pytest
import requests
import tenacity
from hydra import compose, initialize_config_dir

from clipvec import retry
from clipvec.data import is_transient
from clipvec.errors import ConfigError, DatasetError, ModelError, StoreError, TooManyRejects
from clipvec.paths import CONF_DIR


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


def refused(code: str, status: int) -> Exception:
    """What S3's client raises of an answer."""
    exceptions = pytest.importorskip("botocore.exceptions")
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error: Exception = exceptions.ClientError(answer, "GetObject")
    return error


@pytest.mark.parametrize(
    ("code", "status", "passes"),
    [
        ("SlowDown", 503, True),
        ("ServiceUnavailable", 503, True),
        ("InternalError", 500, True),
        ("AccessDenied", 403, False),
        ("NoSuchBucket", 404, False),
    ],
)
def test_a_busy_bucket(code: str, status: int, passes: bool) -> None:
    """As botocore says it, and as s3fs does."""
    s3fs = pytest.importorskip("s3fs.errors")
    error = refused(code, status)
    assert retry.may_pass(raised(StoreError("s3://bucket/store"), error)) is passes
    translated = s3fs.translate_boto_error(error)
    assert retry.may_pass(raised(StoreError("s3://bucket/store"), translated)) is passes
    assert is_transient(translated) is passes


@pytest.mark.parametrize(
    ("command", "works", "answer"),
    [
        ("embed", "clipvec.embed.run.embed_shards", "done"),
        ("index", "clipvec.index.build.build_index", "done"),
        ("recall", "clipvec.recall.benchmark", types.SimpleNamespace(check=lambda: None)),
    ],
)
def test_every_command_of_a_job_tries_again(
    monkeypatch: pytest.MonkeyPatch, command: str, works: str, answer: object
) -> None:
    monkeypatch.setenv("CLIPVEC_SWEEP", f"{command}-1")
    monkeypatch.setattr(retry, "_WAIT", tenacity.wait_none())
    errors = [raised(StoreError("s3://bucket/store"), refused("SlowDown", 503))]

    def work(*_: object) -> object:
        if errors:
            raise errors.pop()
        return answer

    monkeypatch.setattr(works, work)
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        cfg = compose(command)
    importlib.import_module(f"clipvec.{command}.__main__").COMMAND.task(cfg)
    assert errors == []


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
