"""One process shows the page of an index."""

from __future__ import annotations

import os
import webbrowser
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from clipvec.config import ChromaConfig, ChromaHttpConfig
from clipvec.photos import run
from clipvec.photos.running import PageClaim, taking_turns
from tests.http_server import served
from tests.waiting import until


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def test_a_page_is_taken_by_one_until_it_ends() -> None:
    with PageClaim("/a") as second, PageClaim("/b") as other:
        with PageClaim("/a") as first:
            assert first.take()
            assert first.take()
            assert not second.take()
            assert second.url() == ""
            first.tell("http://127.0.0.1:1")
            assert second.url() == "http://127.0.0.1:1"
            assert other.take()
        assert second.take()
        assert second.url() == ""


def test_who_comes_second_waits_until_the_photos_are_taken_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done: list[str] = []

    def second() -> None:
        with taking_turns("/a"):
            done.append("second")

    with ThreadPoolExecutor(1) as threads:
        with taking_turns("/a"), taking_turns("/b"):
            waits = threads.submit(second)
            until(lambda: "/a: waiting for the process that holds" in caplog.text)
            done.append("first")
        waits.result()
    assert done == ["first", "second"]


def test_where_nobody_can_tell_every_command_has_its_own(tmp_path: Path) -> None:
    (tmp_path / f"clipvec-{os.getuid()}").mkdir()
    (tmp_path / f"clipvec-{os.getuid()}").chmod(0o755)
    with PageClaim("/a") as claim, PageClaim("/a") as other:
        assert claim.take()
        claim.tell("http://127.0.0.1:1")
        assert other.take()
        assert other.url() == ""


def test_an_index_is_the_same_however_its_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "data")
    named = {run.absolute(ChromaConfig(path), "p--m") for path in ("data", f"{tmp_path}/link")}
    assert named == {f"{tmp_path}/data/p--m"}
    server = ChromaHttpConfig("host", 8000)
    assert run.absolute(server, "p--m") == "http://host:8000/p--m"


def test_the_page_that_runs_is_shown_when_it_is_ready(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    opened: list[str] = []

    class Service(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if len(asked) > 1 else 503)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setattr(webbrowser, "open", opened.append)
    with served(Service) as url, PageClaim("/a") as owner, PageClaim("/a") as second:
        assert owner.take()
        owner.tell(url)
        run.show_page(second, [], "p--m", None, opened=True)
    assert (asked, opened) == (["/readyz"] * 2, [url])
    said = capsys.readouterr()
    assert said.out == f"the page is already running at {url}\n"
    assert said.err == "their page is another command's, and not ready yet; waiting\n"
