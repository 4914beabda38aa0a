"""A server that is unreachable or refuses: one-line errors that never contain the key."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from clipvec.config import TrackingConfig
from clipvec.dashboard.wandb import api, save
from clipvec.errors import ConfigError, TrackingError
from tests.http_server import served
from tests.tracking.conftest import SECRETS
from tests.wandb_server import Refused, WandbServer

# wandb-workspaces still uses pydantic 1 in places.
pytestmark = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")

ONLINE = TrackingConfig(mode="online", project="photos")


def error(config: TrackingConfig = ONLINE) -> str:
    """Return the error of saving: one line, without the key."""
    with pytest.raises((ConfigError, TrackingError)) as failed:
        save.save(config)
    said = str(failed.value)
    assert "\n" not in said
    assert not any(secret in said for secret in SECRETS.values())
    return said


@pytest.mark.parametrize("mode", ["offline", "disabled"])
def test_not_online(mode: Any, saving: WandbServer) -> None:
    assert error(TrackingConfig(mode=mode)) == (
        f"tracking={mode}: a dashboard in wandb is made on its server, which tracking=online "
        "allows; --local makes a page without it"
    )
    assert saving.operations == []


def test_without_wandb_workspaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    assert error() == (
        "a dashboard in wandb (--local makes a page without it) needs the package "
        "wandb-workspaces, which is not installed; run: pip install 'clipvec[dashboard]'"
    )


def test_no_key(saving: WandbServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    assert error() == (
        "no key for wandb; run wandb login, or set WANDB_API_KEY; --local makes a page without it"
    )
    assert saving.operations == []


def test_the_key_of_wandb_login(
    saving: WandbServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    host = saving.url.removeprefix("http://")
    key = SECRETS["WANDB_API_KEY"]
    (tmp_path / "netrc").write_text(f"machine {host}\nlogin user\npassword {key}\n")
    assert save.save(ONLINE).startswith("view created: ")
    assert key not in json.dumps(saving.views)


def test_a_missing_token_file(
    saving: WandbServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    monkeypatch.setenv("WANDB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    assert error() == (
        f"no token for wandb: Identity token file not found: {tmp_path / 'token'}; "
        "check WANDB_IDENTITY_*"
    )


def test_a_malformed_key(saving: WandbServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "too_short_a_key")
    said = error()
    assert "API key must have 40+ characters, has 15." in said
    assert "too_short_a_key" not in said


def test_a_malformed_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "wandb.example")
    assert error().startswith("wandb's settings do not fit: base_url: Input should be a valid URL")


def test_a_server_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("WANDB_BASE_URL", url)
    assert error() == (
        f"{url} cannot be reached (ConnectionError); check the network and WANDB_BASE_URL, "
        "--local makes a page without it"
    )


def test_a_server_that_hangs(deaf: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "ANSWER_SECONDS", 0.5)
    url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
    monkeypatch.setenv("WANDB_BASE_URL", url)
    began = time.monotonic()
    assert error() == (
        f"{url} did not answer within 0.5 s; try again later, --local makes a page without it"
    )
    assert time.monotonic() - began < 5


def test_a_key_the_server_rejects(saving: WandbServer) -> None:
    wanted = f"{saving.url} rejects the key; run wandb login --relogin, or set WANDB_API_KEY"
    saving.entity = None
    assert error() == wanted
    saving.refusal = Refused("unauthorized", 401)
    assert error() == wanted


@pytest.mark.parametrize("status", [200, 403, 404])
def test_a_refused_request(status: int, saving: WandbServer) -> None:
    saving.refusal = Refused("permission denied", status)
    assert f"{saving.url} refuses the account: permission denied; tracking.entity" in error()


def test_an_entity_that_does_not_exist(saving: WandbServer) -> None:
    assert error(TrackingConfig(mode="online", project="photos", entity="nobody")) == (
        f"{saving.url} refuses nobody/photos: entity nobody not found during upsertModel; "
        "tracking.entity names a user or a team that you may write to, wandb login --relogin "
        "switches accounts"
    )


def test_a_server_in_trouble(saving: WandbServer) -> None:
    saving.refusal = Refused("oh", 502)
    assert "failed (HTTP 502); try again later" in error()


@pytest.fixture
def another() -> Iterator[str]:
    """A server that is not wandb's."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    with served(Handler) as url:
        yield url


def test_a_server_that_is_not_wandb(another: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", another)
    assert error() == f"{another} answers, but not as wandb does; check WANDB_BASE_URL"


def test_a_view_with_an_unknown_spec(saving: WandbServer) -> None:
    save.save(ONLINE)
    (view,) = [v for v in saving.views.values() if v["type"] == "project-view"]
    for spec in ("", "[]", '{"section": {"panels": []}}'):
        view["spec"] = spec
        assert error() == (
            f"the view clipvec of {saving.url}/me/photos has a form unknown to this version; "
            "delete it, and this command creates a new one"
        )
        assert view["spec"] == spec
