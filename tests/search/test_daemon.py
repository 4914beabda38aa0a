"""Searches that ask the process which an earlier one left behind: real processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from clipvec.errors import SearchEndedError
from clipvec.search import daemon
from tests.waiting import until

pytestmark = pytest.mark.e2e

Command = Callable[..., subprocess.Popen[str]]


def daemons(folder: Path, minutes: str = "") -> list[psutil.Process]:
    """Return the processes that stay loaded and have their sockets in a folder."""

    def is_one(process: psutil.Process) -> bool:
        try:
            told = process.environ()[daemon.VARIABLE] if minutes else ""
            return told == minutes and any(str(folder) in word for word in process.cmdline())
        except (psutil.Error, KeyError):  # it has just ended, or is another's
            return False

    return [process for process in psutil.process_iter() if is_one(process)]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where the sockets are; all processes that stay loaded end with the tests."""
    with tempfile.TemporaryDirectory(prefix="cv") as name:  # short: paths of sockets are limited
        yield Path(name)
        for process in daemons(Path(name)):
            process.terminate()
        until(lambda: not daemons(Path(name)), 30)
        assert list(Path(name).rglob("search-????????????????")) == []


@pytest.fixture
def start(folder: Path, tiny_sample: Path) -> Iterator[Command]:
    """Start ``python -m clipvec.search`` on an index of the bundled images."""
    started = []

    def call(
        *arguments: str, minutes: str = "5", python: tuple[str, ...] = (), cwd: Path = tiny_sample
    ) -> subprocess.Popen[str]:
        index = f"index.path={tiny_sample}/index"
        process = subprocess.Popen(
            [sys.executable, "-P", *python, "-m", "clipvec.search", *arguments, index],
            cwd=cwd,
            env=os.environ | {"XDG_RUNTIME_DIR": str(folder), daemon.VARIABLE: minutes},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield call
    for process in started:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, error = process.communicate(timeout=120)
    return process.returncode, out, error


def test_later_searches_are_answered_by_the_first_ones_process(
    start: Command, folder: Path, tmp_path: Path
) -> None:
    # started in a folder whose modules are not to be imported
    for name in ("queue", "numpy", "torch"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')")
    nothing = ("a frog", "--min-score", "1")
    alone = said(start(*nothing, "--no-daemon", cwd=tmp_path))
    assert alone[2].startswith("no rows match; the best score is 0.")
    assert daemons(folder) == []
    assert said(start(*nothing, cwd=tmp_path)) == alone
    (loaded,) = daemons(folder)
    assert loaded.cwd() == "/"

    # its errors and exit codes, its folder, a reader that has read enough
    code, out, error = said(start("a frog", "--where", "wings=2"))
    assert (code, out) == (2, "")
    assert error.startswith("error: ")
    assert "wings" in error
    page = tmp_path / "found.html"
    assert said(start("a frog", "--html", page.name, cwd=tmp_path))[0] == 0
    assert page.read_text().count("<img") == 10
    closed = start("a frog")
    assert closed.stdout is not None
    closed.stdout.close()
    assert closed.wait(60) == 0

    # many at once are answered one after the other
    unread = start("a frog", "--json", "-k", "300")
    assert unread.stdout is not None
    assert os.read(unread.stdout.fileno(), 1) == b"["
    several = [start("a frog", "--json", "-k", str(k)) for k in (1, 2, 3)]
    assert [len(json.loads(said(each)[1])) for each in several] == [1, 2, 3]
    assert len(json.loads("[" + said(unread)[1])) == 300
    assert daemons(folder) == [loaded]

    # and none of them loads anything itself
    code, _, times = said(start("a frog", python=("-X", "importtime")))
    assert code == 0
    assert " clipvec.search.daemon\n" in times
    for module in ("torch", "numpy", "hydra", "chromadb", "pyarrow"):
        assert f" {module}\n" not in times


def test_they_end_when_they_are_told_to(start: Command, folder: Path) -> None:
    stop = ("--stop",)
    said(start(*stop))
    assert said(start(*stop)) == (0, "no search stays loaded\n", "")
    assert said(start("a frog"))[0] == 0
    assert len(daemons(folder)) == 1
    busy = start("a frog", "--json", "-k", "300")
    assert busy.stdout is not None
    assert os.read(busy.stdout.fileno(), 1) == b"["
    assert said(start(*stop)) == (0, "ended 1 search that stayed loaded\n", "")
    assert daemons(folder) == []
    assert len(json.loads("[" + said(busy)[1])) == 300
    assert list(folder.rglob("search-????????????????")) == []


def test_one_that_was_killed_is_replaced(start: Command, folder: Path) -> None:
    asked = ("a frog", "-k", "1")
    answer = said(start(*asked))
    (loaded,) = daemons(folder)
    loaded.suspend()
    waiting = start(*asked)
    until(lambda: waiting.poll() is None and connected(waiting), 30)
    loaded.kill()
    assert said(waiting) == answer, "it had not begun"
    assert loaded not in daemons(folder)


def connected(process: subprocess.Popen[str]) -> bool:
    return bool(psutil.Process(process.pid).net_connections("unix"))


def test_ctrl_c_ends_the_search(start: Command, folder: Path) -> None:
    def loading() -> bool:
        return any("libtorch" in str(each.memory_maps()) for each in daemons(folder, "0.2"))

    search = start("a frog", minutes="0.2")
    until(loading, 60)
    search.send_signal(signal.SIGINT)
    code, out, error = said(search)
    assert (code, out) == (130, "")
    assert error.strip().splitlines()[-1] == "error: stopped"
    # in another process: libraries of the first are half loaded
    assert said(start("a frog", minutes="0.2"))[0] == 0
    assert len(daemons(folder, "0.2")) == 1
    until(lambda: not daemons(folder, "0.2"), 30)  # as nobody asks


@pytest.mark.parametrize(
    ("name", "another"), [("OMP_NUM_THREADS", True), ("HF_TOKEN", True), ("COLUMNS", False)]
)
def test_what_needs_another_process(
    monkeypatch: pytest.MonkeyPatch, name: str, another: bool
) -> None:
    before = daemon._key()
    monkeypatch.setenv(name, "77")
    assert (daemon._key() != before) is another


def test_a_folder_of_others_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / f"clipvec-{os.getuid()}").mkdir()
    (tmp_path / f"clipvec-{os.getuid()}").chmod(0o777)
    assert daemon.ask(["a frog"]) is None


def test_one_that_ends_while_it_searches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listener that says that it begins, and goes."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    path = daemon._socket_path()
    assert path is not None
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        if (child := os.fork()) == 0:
            connection, _ = listener.accept()
            connection.sendall(b"\0\0\0\1")
            os._exit(0)
        with pytest.raises(SearchEndedError, match=r"\(1\) has ended, perhaps for lack of "):
            daemon.ask(["a frog"])
        os.waitpid(child, 0)
    path.unlink()
