"""Pictures on a terminal: what stands in for one answers as kitty does, as Sixel does, or not."""

from __future__ import annotations

import base64
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipvec.errors import ConfigError
from clipvec.index import Hit
from clipvec.search import __main__ as search
from clipvec.search import pictures

COLUMNS, LINES, WIDTH, HEIGHT = 100, 50, 8, 16
"""Of the terminal, in cells, and of a cell, in pixels."""
DRAW = "import sys; from clipvec.search import pictures; pictures.draw(open(sys.argv[1]).read())"
QUERIES = re.compile(
    rb"\x1b\[c|\x1b_Gi=(\d+)[^\x1b]*a=q[^\x1b]*\x1b\\\\|\x1b_Gi=(\d+)[^\x1b]*\x1b\\"
)
ATTRIBUTES = {"none": b"\x1b[?62c", "kitty": b"\x1b[?62c", "sixel": b"\x1b[?62;4c"}


def hits() -> str:
    """Return a wide picture, a tall one, and a row without any."""
    found, jpegs = [], {}
    for number, (size, colour) in enumerate([((256, 20), "red"), ((60, 240), "blue")]):
        buffer = io.BytesIO()
        Image.new("RGB", size, colour).save(buffer, "JPEG")
        found.append(hit(f"{number}.jpg", f"the caption of {number}"))
        jpegs[found[-1].key] = buffer.getvalue()
    found.append(hit("gone.jpg", "\x1b[31mits file\nis gone"))
    return pictures.to_json(found, jpegs)


def hit(name: str, caption: str) -> Hit:
    return Hit(
        id=name,
        uri=f"/photos/{name}",
        caption=caption,
        score=0.25,
        width=9,
        height=9,
        part="p",
        row=1,
    )


def drawn(folder: Path, kind: str, pixels: int = 1) -> bytes:
    """Return what a terminal is sent that answers as ``kind`` does; 0 pixels: it tells none."""
    (folder / "hits.json").write_text(hits())
    own, theirs = pty.openpty()
    size = struct.pack("HHHH", LINES, COLUMNS, COLUMNS * WIDTH * pixels, LINES * HEIGHT * pixels)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
    # of the terminal of whoever runs the tests
    told = ("COLUMNS", "FORCE_COLOR", "LINES", "NO_COLOR", "TERM", "TMUX")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(told)}
    process = subprocess.Popen(
        [sys.executable, "-c", DRAW, folder / "hits.json"],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env=environment | {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
    )
    os.close(theirs)
    sent, answered = b"", 0
    while piece := read(own):
        sent += piece
        for query in QUERIES.finditer(sent, answered):
            answered = query.end()
            if query[0] == b"\x1b[c":
                os.write(own, ATTRIBUTES[kind])
            elif kind == "kitty" and b"a=q" in query[0]:
                os.write(own, b"\x1b_Gi=%b;OK\x1b\\" % (query[1] or query[2]))
    os.close(own)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, b"")
    return sent


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # nobody has it open any more
        return b""


def words(sent: bytes) -> list[str]:
    """Return the lines of words among what was sent, without their style."""
    lines = re.sub(rb"\x1b\[[\d;]*m", b"", sent).decode(errors="replace").splitlines()
    return [line[line.index("0.2500") :] for line in lines if "0.2500" in line]


WORDS = [
    "0.2500  0.jpg  the caption of 0",
    "0.2500  1.jpg  the caption of 1",
    "0.2500  gone.jpg  [31mits file is gone",
]


def test_in_kitty(tmp_path: Path) -> None:
    sent = drawn(tmp_path, "kitty")
    assert words(sent) == WORDS
    payloads: dict[bytes, bytes] = {}
    for number, payload in re.findall(rb"\x1b_Gi=(\d+),m=[01],f=100,q=2;([^\x1b]*)\x1b\\", sent):
        payloads[number] = payloads.get(number, b"") + payload
    wide, tall = (Image.open(io.BytesIO(base64.b64decode(each))) for each in payloads.values())
    assert wide.width == COLUMNS * WIDTH
    assert wide.width / wide.height == pytest.approx(256 / 20, rel=0.35)  # whole lines
    assert tall.height == 10 * HEIGHT
    assert tall.height / tall.width == pytest.approx(240 / 60, rel=0.1)
    for image, channel in ((wide, 0), (tall, 2)):
        mean = np.asarray(image.convert("RGB")).mean(axis=(0, 1))
        assert mean[channel] > 250
        assert mean.sum() < 260


def test_as_sixel(tmp_path: Path) -> None:
    sent = drawn(tmp_path, "sixel")
    assert words(sent) == WORDS
    assert len(re.findall(rb"\x1bP[\d;]*q.+?\x1b\\", sent, re.DOTALL)) == 2
    assert b"\x1b_Gi=" not in sent


def test_in_blocks_where_a_terminal_knows_neither(tmp_path: Path) -> None:
    assert words(drawn(tmp_path, "none", pixels=0)) == WORDS
    sent = drawn(tmp_path, "none")
    assert words(sent) == WORDS
    assert sent.count(b"38;2;254;0;0;48;2;254;0;0m") >= COLUMNS
    assert b"\x1bP" not in sent


def test_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["search", "a bird", "--show"])
    with pytest.raises(SystemExit, match="2"):
        search.main()
    assert capsys.readouterr().err.startswith("error: --show draws on a terminal, and the input or")
    own, theirs = pty.openpty()  # which has no size
    with os.fdopen(theirs, "r+b", buffering=0) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        monkeypatch.setattr(sys, "stdout", terminal)
        with pytest.raises(ConfigError, match="terminal, and this one does not tell its size;"):
            pictures.check_terminal()
    os.close(own)


def test_a_store_without_thumbnails(capsys: pytest.CaptureFixture[str]) -> None:
    pictures.draw(pictures.to_json([hit("a.jpg", "")], {}))
    assert capsys.readouterr() == (
        "0.2500  a.jpg\n",
        "the store has no thumbnails of these (store.thumbnail)\n",
    )
