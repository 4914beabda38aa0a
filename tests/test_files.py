"""Files are written atomically and have a known schema."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipvec import files
from clipvec.errors import SchemaError


def test_a_file_is_replaced_and_no_temporary_file_is_left(tmp_path: Path) -> None:
    file = tmp_path / "new folder" / "a 'b'\n.json"
    files.write_atomically(file, b"old")
    files.write_atomically(file, b"new")
    assert [path.read_bytes() for path in file.parent.iterdir()] == [b"new"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    files.write_atomically(file, b"old")
    with pytest.raises(TypeError):
        files.write_atomically(file, "text")  # type: ignore[arg-type]
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_json_round_trip() -> None:
    data = files.to_json({"a": [1, None]}, 4)
    assert data == b'{\n "schema_version": 4,\n "a": [\n  1,\n  null\n ]\n}'
    assert files.from_json(data, 4, "x.json", "make it again") == {"a": [1, None]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "x.json has no schema number, this clipvec reads schema 4; make it again"),
        ('{"schema_version": 3}', "has schema 3, this clipvec reads schema 4; make it again"),
        ('{"schema_version": 5}', "has schema 5, this clipvec reads schema 4; update clipvec, or"),
        ('{"schema_version": "4"}', "has schema '4', this clipvec"),
    ],
)
def test_another_schema_is_refused(text: str, message: str) -> None:
    with pytest.raises(SchemaError) as error:
        files.from_json(text.encode(), 4, "x.json", "make it again")
    assert message in str(error.value)
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "not a JSON object"),
        ("", "Expecting value"),
        ("{", "Expecting"),
        ("\0" * 9, "^Expecting"),
    ],
)
def test_json_that_is_not_an_object(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        files.from_json(text.encode(), 4, "x.json", "make it again")
