"""What `clipvec photos` asks of the other commands."""

from __future__ import annotations

import json
import os
import shlex
import socket
import sys
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from clipvec import config
from clipvec.errors import ConfigError
from clipvec.photos.__main__ import parser
from clipvec.photos.run import (
    choose_port,
    is_served,
    overrides,
    search_of,
    show_photos,
    with_own_model,
)
from clipvec.store import Store
from tests.http_server import served
from tests.stores import MODEL, make_store


def test_each_command_gets_the_options_that_it_takes(tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s [2020] = ${HOME}, "x"'
    folder.mkdir()
    given = ["model=sample", "batch_size=8", "store.root=s", "index.path=my, [i=1]", "workers=2"]
    words = overrides(str(folder), [*given, "max_reject_fraction=0.5"])
    embed = config.read_command("embed", words["embed"], config.EmbedConfig)
    assert embed.dataset.path == str(folder)  # type: ignore[attr-defined]
    assert (embed.dataset.name, embed.model.name) == ("it-s-2020-HOME-x", "sample")
    assert (embed.batch_size, embed.sharding.count, embed.max_reject_fraction) == (8, 1, 0.5)
    index = config.read_command("index", words["index"], config.IndexCommandConfig)
    assert (index.dataset.name, index.store.root) == (embed.dataset.name, "s")
    serve = config.read_command("serve", words["serve"], config.ServeConfig)
    assert (serve.index.location(), serve.workers) == ("my, [i=1]", 2)
    assert len(words["serve"]) == 2


def test_a_later_run_takes_the_model_of_the_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def chosen(*options: str) -> config.ModelConfig:
        given = [*options, f"store.root={tmp_path}/store", "dataset.name=toys"]
        words, embed = with_own_model(str(tmp_path), given)
        assert config.read_command("index", words["index"], config.IndexCommandConfig).model.name
        return embed.model

    assert chosen().name == "vit_b_32"
    assert capsys.readouterr().err == ""
    first = make_store(tmp_path / "store", {}, count=1)
    made = config.ModelConfig("toy", MODEL["arch"], MODEL["pretrained"])
    assert chosen() == chosen("model.device=auto") == made
    assert chosen("model.compile=true") == replace(made, compile=True)
    assert capsys.readouterr().err.splitlines() == 3 * [
        "the photos' model is toy, that of their store; model=... names another"
    ]
    assert chosen("model=sample").name == "sample"
    assert capsys.readouterr().err == ""
    newer = {"name": "newer", "arch": "ViT-B-16", "pretrained": "it's [x]", "precision": "fp32"}
    Store.create(f"{tmp_path}/store/toys/newer", first.fingerprint, newer)
    os.utime(f"{first.url}/store.json", (0, 0))
    assert chosen() == config.ModelConfig(**newer)
    assert capsys.readouterr().err == (
        "the photos' model is newer, that of their newest store; model=... names another\n"
    )


def test_what_nothing_takes_is_refused_by_embed(tmp_path: Path) -> None:
    words = overrides(str(tmp_path), ["batch_sise=8"])
    with pytest.raises(ConfigError, match="did you mean batch_size"):
        config.read_command("embed", words["embed"], config.EmbedConfig)


def test_what_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    for name, what in (("a.jpg", "is a file"), ("none", "is not there")):
        with pytest.raises(ConfigError) as caught:
            overrides(f"{tmp_path}/{name}", [])
        assert str(caught.value) == f"{tmp_path}/{name} {what}; give the folder of your photos"
    with pytest.raises(ConfigError, match="give the folder of your photos, as in: clipvec photos"):
        overrides(None, [])


def test_a_folder_that_the_shell_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("My", "My Photos", "My Photos of 2020"):
        (tmp_path / name).mkdir()
    line = ["--port", "8000", "My", "Photos", "of", "2020", "model=sample", "--no-open"]
    monkeypatch.setattr(sys, "argv", ["clipvec-photos", *line])
    with pytest.raises(ConfigError) as caught:
        show_photos(parser().parse_intermixed_args(line))
    assert str(caught.value) == (
        "My Photos of 2020 has blanks in it, which end a word; put it in quotes: "
        "clipvec photos --port 8000 'My Photos of 2020' model=sample --no-open"
    )


def test_a_second_folder_is_refused(tmp_path: Path) -> None:
    folders = [str(tmp_path / name) for name in ("one", "two words")]
    for folder in folders:
        Path(folder).mkdir()
    with pytest.raises(ConfigError) as caught:
        show_photos(parser().parse_intermixed_args([*folders, "model=sample"]))
    assert str(caught.value) == (
        f"{folders[0]} and {folders[1]}: one folder at a time; run clipvec photos for each"
    )


def test_the_search_to_type_next(tmp_path: Path) -> None:
    words = overrides(str(tmp_path), ["model=sample", "index.path=my index", "workers=2"])
    typed = search_of(words["serve"], "a--b")
    options = ["index.path='my index'", "collection=a--b"]
    assert shlex.split(typed) == ["clipvec", "search", "a red bird", *options]


def test_options_may_stand_anywhere() -> None:
    line = ["--port", "8000", "My photos", "model=sample", "--no-open", "batch_size=8"]
    given = parser().parse_intermixed_args(line)
    assert (given.folder, given.options) == ("My photos", ["model=sample", "batch_size=8"])
    assert (given.port, given.no_open, given.no_serve) == (8000, True, False)
    assert parser().parse_intermixed_args([]).folder is None


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    first = choose_port(None)
    with socket.socket() as other:
        other.bind(("127.0.0.1", first))
        other.listen()
        capsys.readouterr()
        other_port = choose_port(None)
        assert other_port > first
        assert capsys.readouterr().err == f"port 3000 is not free, {other_port} is\n"
        with pytest.raises(ConfigError, match=f"port {first} is taken; without --port"):
            choose_port(first)
    assert choose_port(first) == first
    for port in (70000, 0, -1):
        with pytest.raises(ConfigError, match=f"--port {port}: a port is a number from 1 to 65535"):
            choose_port(port)


def test_the_page_of_somebody_else_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"/readyz": b"", "/stats": json.dumps({"collection": "mine--local"}).encode()}

    class Service(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            allowed = self.path == "/readyz" or self.headers["X-API-Key"] == "secret"
            self.send_response((200 if allowed else 401) if self.path in answers else 503)
            self.end_headers()
            self.wfile.write(answers.get(self.path, b""))

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with served(Service) as url:
        assert not is_served(url, "mine--local")
        monkeypatch.setenv("CLIPVEC_API_KEY", "secret")
        assert is_served(url, "mine--local")
        assert not is_served(url, "other--local")
        for stats in (b"[]", b"<html>"):
            answers["/stats"] = stats
            assert not is_served(url, "mine--local")
        del answers["/readyz"]
        assert not is_served(url, "mine--local")
    assert not is_served(url, "mine--local")
