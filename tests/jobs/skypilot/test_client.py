"""SkyPilot's client and its errors: the real one, in processes and a home of their own."""

from __future__ import annotations

import sys

import pytest

from clipvec.errors import LaunchError
from clipvec.jobs.skypilot import client
from tests.preloaded import Python


def test_skypilot_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sky", None)
    missing = r"^SkyPilot is not installed \(.*\); install it .*'$"
    with pytest.raises(LaunchError, match=missing), client.connect():
        pass


def test_what_skypilot_is_given_stays_as_it_was(python: Python) -> None:
    """Here it changes ``gpus`` to ``accelerators``."""
    code = """
import sky
from clipvec.jobs.skypilot.client import to_task
task = {"run": "true", "resources": {"any_of": [{"gpus": "L4:1"}, {"cpus": 4}]}}
print(len(to_task(sky, task).resources), task["resources"])
"""
    assert python("-c", code) == "2 {'any_of': [{'gpus': 'L4:1'}, {'cpus': 4}]}\n"


def test_errors_of_skypilot_are_one_line(python: Python) -> None:
    code = """
import sky.exceptions as e
from clipvec.errors import LaunchError
from clipvec.jobs.skypilot.client import connect
for error in [
    e.NoCloudAccessError("No cloud access is set up.\\nRun: sky check"),
    e.ApiServerConnectionError("http://127.0.0.1:46580"),
    e.ResourcesUnavailableError("Catalog does not contain any instances satisfying T4:64"),
    e.PoolDoesNotExistError("pool mine"),
    ValueError("x" * 1000),
]:
    try:
        with connect():
            raise error
    except LaunchError as said:
        print(said)
"""
    lines = python("-c", code).splitlines()
    assert lines[0] == (
        "SkyPilot: no cloud is enabled; `sky check` shows what each one lacks "
        "(NoCloudAccessError: No cloud access is set up. Run: sky check)"
    )
    assert lines[1].startswith(
        "SkyPilot: its API server does not respond; start it with `sky api start` "
        "(ApiServerConnectionError: Could not connect to SkyPilot API server at http://127.0.0.1"
    )
    assert lines[2] == (
        "SkyPilot: no cloud has these resources; `sky check` and `sky gpus list` list what is "
        "available, and cloud.resources selects it (ResourcesUnavailableError: Catalog does not "
        "contain any instances satisfying T4:64)"
    )
    assert lines[3] == (
        "SkyPilot: launcher.pool does not exist; `sky jobs pool status` lists all pools "
        "(PoolDoesNotExistError: pool mine)"
    )
    assert lines[4] == f"SkyPilot: ValueError: {'x' * 500} …"
    assert len(lines) == 5


def test_every_error_with_a_fix_exists(python: Python) -> None:
    code = "import sys, sky.exceptions as e; print(*(n for n in sys.argv[1:] if hasattr(e, n)))"
    assert python("-c", code, *client._FIXES).split() == list(client._FIXES)
