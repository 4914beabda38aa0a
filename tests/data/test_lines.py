"""Lines that are drawn of a file of the user."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clipvec.data import drawn_lines
from clipvec.errors import ConfigError


def test_the_lines_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("a frog\n\n  a red bird \na frog\n", encoding="utf-8")
    assert sorted(drawn_lines("text_file", str(file), 5, 0)) == ["a frog", "a red bird"]
    file.write_text("\n \n")
    with pytest.raises(ConfigError, match="has no lines"):
        drawn_lines("text_file", str(file), 5, 0)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="give a UTF-8 text file"):
        drawn_lines("text_file", str(file), 5, 0)
    with pytest.raises(ConfigError, match="No such file"):
        drawn_lines("text_file", str(tmp_path / "nope"), 5, 0)
    with pytest.raises(ConfigError, match="it is a device, not a regular file"):
        drawn_lines("text_file", "/dev/zero", 5, 0)


def test_the_lines_of_a_pipe() -> None:
    reader, writer = os.pipe()  # as a shell's <(command)
    os.write(writer, b"a frog\na bird\n")
    os.close(writer)
    assert sorted(drawn_lines("text_file", f"/dev/fd/{reader}", 5, 0)) == ["a bird", "a frog"]
    os.close(reader)


def test_some_of_many_lines_are_drawn(tmp_path: Path) -> None:
    """Files of prompts are often sorted by subject."""
    file = tmp_path / "prompts.txt"
    lines = [f"prompt {n:03d}" for n in range(200)]
    file.write_text("\n".join(lines), encoding="utf-8")
    drawn = drawn_lines("text_file", str(file), 50, 0)
    assert len(set(drawn)) == 50
    assert set(drawn) < set(lines)
    assert 15 < sum(line >= "prompt 100" for line in drawn) < 35
    assert drawn == drawn_lines("text_file", str(file), 60, 0)[:50]
    assert drawn != drawn_lines("text_file", str(file), 50, 1)
