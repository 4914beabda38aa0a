"""``clipvec dashboard`` as a user runs it, against a local server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Run
from tests.wandb_server import WandbServer

KEY = "0123456789" * 4


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of the user who runs the tests."""
    for name in ("WANDB_API_KEY", "WANDB_ENTITY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbServer]:
    with WandbServer().serving() as serving:
        monkeypatch.setenv("WANDB_BASE_URL", serving.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        yield serving


def test_created_and_updated(run: Run, server: WandbServer, tmp_path: Path) -> None:
    dry = run("dashboard", "dry_run=true", "tracking.project=photos")
    assert dry.stdout.startswith("project  (your default entity)/photos\n")
    assert (dry.stderr, server.operations) == ("", [])
    done = run("dashboard", "tracking.project=photos")
    ids = list(server.views)
    report = next(i for i, view in server.views.items() if view["type"] == "runs").rstrip("=")
    view, link = (f"{server.url}/me/photos{rest}" for rest in ("?nw=clipvec", "/reports/"))
    assert done.stdout == f"view created: {view}\nreport created: {link}clipvec-photos--{report}\n"
    assert done.stderr == ""
    done = run("dashboard", "tracking.project=photos")
    assert done.stdout == f"view updated: {view}\nreport updated: {link}clipvec-photos--{report}\n"
    assert done.stderr == ""
    assert list(server.views) == ids
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(KEY.encode() in path.read_bytes() for path in written)
