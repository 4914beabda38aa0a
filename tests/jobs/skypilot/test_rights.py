"""Buckets that cannot be written to."""

from __future__ import annotations

import fsspec
import pytest

from clipvec.jobs.plan import Job
from clipvec.jobs.skypilot import rights

NOBODY = "http://127.0.0.1:9/store"


def job(number: int, store: str) -> Job:
    return Job(number, (), (number,), folders={"store.root": store, "index.path": "/shared/index"})


def test_a_bucket_that_can_be_written_to_is_left_as_it_was() -> None:
    assert rights.lines([job(0, "memory://clean/store"), job(1, "memory://clean/store")]) == []
    assert fsspec.filesystem("memory").find("clean") == []


def test_one_that_cannot_is_told_once() -> None:
    (said,) = rights.lines([job(0, NOBODY), job(1, NOBODY)])
    assert said.startswith(
        "store.root: this machine cannot write there, nor can jobs, unless their machines have "
        f"other credentials: {NOBODY}/.write-test: "
    )
    assert "\n" not in said


@pytest.mark.parametrize("store", ["/shared/store", "file:///shared/store"])
def test_folders_are_not_tried(store: str) -> None:
    assert rights.lines([job(0, store)]) == []
