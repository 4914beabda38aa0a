"""What is said of a package that is not installed."""

from __future__ import annotations

import pytest

from clipvec import extras
from clipvec.errors import ConfigError


def test_a_missing_package_is_named_with_its_extra() -> None:
    extras.require("recall", "recall", "json")
    with pytest.raises(ConfigError) as error:
        extras.require("recall", "recall", "json", "no_such_package")
    assert str(error.value) == (
        "recall needs the package no_such_package, which is not installed; run: pip install "
        "'clipvec[recall]'"
    )


@pytest.mark.parametrize(
    ("url", "mend"),
    [
        ("gs://bucket/store", "run: pip install 'clipvec[gcs]'"),
        ("s3://bucket/store", "run: pip install 'clipvec[s3]'"),
        ("abfs://box/store", "Install adlfs to access Azure"),  # of which there is no extra
    ],
)
def test_a_missing_package_of_a_url(url: str, mend: str) -> None:
    error = extras.missing_for_url("store.root", url, ImportError("Install adlfs\nto access Azure"))
    assert str(error) == f"store.root needs a package that is not installed; {mend}"
