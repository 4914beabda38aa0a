"""The secrets of a dataset's URL: in no file, no run and no line of any command."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from importlib import import_module
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.data.making import samples, write_tar
from tests.http_server import served

SECRET = "hunter2"
DATASET = ("dataset=webdataset", "dataset.path='${oc.env:DATASET_URL}'")
TRACKED = ("tracking=offline",)
MEASURED = (
    *("systems=quick", "~systems.flat", "~systems.hnsw", "queries.images=5", "queries.texts=5"),
    *("measure=quick", "measure.k=1", "measure.recall_at=[1]", "measure.time_budget_s=0.1"),
)
COMMANDS = {
    "search": ["no 3", "--json", "--html", "page.html"],
    "recall": [*TRACKED, *MEASURED],
    "evaluate": [*TRACKED],
    "check": [],
    "rejects": [],
    "delete": ["ids=photos/000000004"],
    "compact": [],
    "projection": [],
    "dashboard": ["--local"],
}
"""Commands that read a store or its index, with options."""


class Quiet(SimpleHTTPRequestHandler):
    """Files of a folder, whoever asks."""

    def log_message(self, *_: object) -> None:
        pass


def start(command: str, *arguments: str) -> None:
    """Run a command in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"clipvec-{command}", *arguments])
        try:
            import_module(f"clipvec.{command}.__main__").main()
        finally:
            logging.shutdown()  # the log of the run


def texts(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file below a folder as text; Parquet is compressed."""
    for file in sorted(f for f in folder.rglob("*") if f.is_file()):
        if file.suffix == ".parquet":
            yield file, str(pq.read_table(file).to_pylist())
        else:
            yield file, file.read_bytes().decode(errors="replace")


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> Iterator[Path]:
    """A folder with store, index and tracked runs of a dataset whose URL has a password."""
    web, root = tmp_path_factory.mktemp("web"), tmp_path_factory.mktemp("ground")
    write_tar(web / "photos.tar", [*samples(0, 30), ("bad.jpg", b"no image")])
    with pytest.MonkeyPatch.context() as patch, served(partial(Quiet, directory=str(web))) as url:
        host = url.removeprefix("http://")
        patch.setenv("DATASET_URL", f"http://me:{SECRET}@{host}/photos.tar?sig={SECRET}")
        patch.setenv("NETRC", str(root / "netrc"))
        patch.chdir(root)
        weights = f"model.pretrained=local-dir:{tiny_weights}"
        start("embed", "model=local", weights, *DATASET, "sharding=x1", *TRACKED)
        start("delete", "model=local", *DATASET, "ids=photos/000000003")
        start("index", "model=local", *DATASET, "sharding=x1", *TRACKED)
        yield root


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_writes_it(
    ground: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    command: str,
) -> None:
    shutil.copytree(ground, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    named = [] if command == "search" else ["model=local", *DATASET]
    start(command, *COMMANDS[command], *named)
    said = capfd.readouterr()
    written = dict(texts(tmp_path))
    assert SECRET not in said.out + said.err
    assert [file for file, text in written.items() if SECRET in text] == []
    assert any("/photos.tar#00" in text for text in written.values()), "it was looked for"


@pytest.mark.parametrize("command", [*COMMANDS, "embed", "index", "deploy"])
def test_every_command_refuses_it_as_it_is(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    command: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    option = {"search": "index.path", "deploy": "service.name"}.get(command, "store.root")
    with pytest.raises(SystemExit) as ended:
        start(command, *COMMANDS.get(command, []), f"{option}='s3://KEY:{SECRET}@bucket/x'")
    assert ended.value.code == 2
    said = capfd.readouterr()
    assert SECRET not in said.out + said.err
    assert not any(path.is_file() for path in tmp_path.rglob("*"))
