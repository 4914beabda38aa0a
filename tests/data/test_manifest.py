"""Manifests as written by spreadsheets, pandas, Windows and the Hugging Face hub."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clipvec.config import FolderConfig
from clipvec.data import Record, Reject, open_dataset
from clipvec.errors import ConfigError
from tests.data.making import encode

FILES = [f"sub/{number}.png" for number in range(3)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    for name in FILES:
        (tmp_path / name).write_bytes(encode())
    return tmp_path


def read(folder: Path, name: str, content: str | bytes, **options: object) -> list[Record | Reject]:
    data = content if isinstance(content, bytes) else content.encode()
    (folder / name).write_bytes(data)
    config = FolderConfig(name="test", path=str(folder), manifest=name, **options)  # type: ignore[arg-type]
    return list(open_dataset(config).records(0, 1))


def captions(items: list[Record | Reject]) -> dict[str, str | None]:
    return {item.id: item.caption for item in items if isinstance(item, Record)}


def table(delimiter: str = ",", ending: str = "\n") -> str:
    rows = [("file", "caption"), *((name, f"Grün {n}") for n, name in enumerate(FILES))]
    return "".join(delimiter.join(row) + ending for row in rows)


EXPECTED = {name: f"Grün {number}" for number, name in enumerate(FILES)}


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", ", "])
def test_any_delimiter(folder: Path, name: str, delimiter: str) -> None:
    assert captions(read(folder, name, table(delimiter, "\r\n"))) == EXPECTED


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_encodings_with_a_byte_order_mark(folder: Path, encoding: str) -> None:
    assert captions(read(folder, "rows.csv", table().encode(encoding))) == EXPECTED
    lines = "\r\n".join(json.dumps({"file": f, "caption": c}) for f, c in EXPECTED.items())
    assert captions(read(folder, "rows.jsonl", lines.encode(encoding))) == EXPECTED


def test_an_unknown_encoding(folder: Path) -> None:
    content = table().encode("cp1252")
    with pytest.raises(ConfigError) as caught:
        read(folder, "rows.csv", content)
    assert str(caught.value) == (
        "dataset.manifest='rows.csv' is not UTF-8, nor UTF-16 with a mark; name its encoding, "
        "such as dataset.encoding=cp1252"
    )
    assert captions(read(folder, "rows.csv", content, encoding="cp1252")) == EXPECTED


def test_a_large_field(folder: Path) -> None:
    content = "file,caption,blob\n" + "".join(
        f"{f},{c},{'x' * 140_000}\n" for f, c in EXPECTED.items()
    )
    assert captions(read(folder, "rows.csv", content)) == EXPECTED


def test_capitals_and_blanks_in_a_header(folder: Path) -> None:
    content = f"File , Caption,Year\n{FILES[0]}, red, 2019\n"
    (item,) = read(folder, "rows.csv", content, attributes={"year": "int"})
    assert isinstance(item, Record)
    assert (item.caption, item.attributes) == ("red", {"year": 2019})


def test_paths_as_windows_and_find_write_them(folder: Path) -> None:
    (folder / "a\\b.png").write_bytes(encode())
    items = read(folder, "rows.csv", "file,caption\nsub\\0.png,x\n./sub/1.png,y\na\\b.png,z\n")
    assert captions(items) == {"sub/0.png": "x", "sub/1.png": "y", "a\\b.png": "z"}


def test_metadata_of_the_hub(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = "".join(json.dumps({"file_name": f, "text": c}) + "\n" for f, c in EXPECTED.items())
    assert captions(read(folder, "metadata.jsonl", lines, caption="text")) == EXPECTED
    assert not caplog.messages
    assert captions(read(folder, "metadata.jsonl", lines)) == dict.fromkeys(FILES)
    assert caplog.messages == [
        "metadata.jsonl has no column dataset.caption=caption, so that its images have no "
        "captions; its columns are file_name, text"
    ]


def test_rows_longer_or_shorter_than_the_header(folder: Path) -> None:
    content = f"file,caption,n\n{FILES[0]},a, b,1\n{FILES[1]}\n{FILES[2]},c,3\n"
    long, *rest = read(folder, "rows.csv", content)
    reason = "row 1 of rows.csv has 4 fields and its header 3; quote a value that holds ','"
    assert long == Reject("rows.csv#0", "rows.csv#0", reason, "ManifestRow")
    assert captions(rest) == {FILES[1]: None, FILES[2]: "c"}


def test_several_captions_of_an_image(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = "".join(f"{name},{n},caption {n}\n" for name in FILES for n in range(5))
    with caplog.at_level("INFO"):
        items = read(
            folder, "rows.csv", "file,number,caption\n" + rows, attributes={"number": "int"}
        )
    assert captions(items) == dict.fromkeys(FILES, "caption 0")
    assert caplog.messages == [
        "dataset.manifest='rows.csv': passed over rows of a file that an earlier row has "
        "(12, such as sub/0.png)"
    ]


PANDAS = [
    ("2019.0", 2019),
    ("", None),
    ("NaN", None),
    ("<NA>", None),
    ("None", None),
    (" 7 ", 7),
    ("1e3", 1000),
    ("007", 7),
    ("9007199254740993.0", 2**53 + 1),
    ("1_000", "1_000"),
    ("٣", "٣"),
    ("2019.5", "2019.5"),
    ("1e999999999", "1e999999999"),
]


@pytest.mark.parametrize(("text", "expected"), PANDAS)
def test_whole_numbers_as_pandas_writes_them(folder: Path, text: str, expected: object) -> None:
    content = f'file,caption,year\n{FILES[0]},x,"{text}"\n'
    (item,) = read(folder, "rows.csv", content, attributes={"year": "int"})
    if isinstance(expected, str):
        assert isinstance(item, Reject)
        assert item.reason == f"year={expected!r} is not a 64-bit integer"
    else:
        assert isinstance(item, Record)
        assert item.attributes == {"year": expected}


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("float", "1e-3", 0.001),
        ("float", "+3", 3.0),
        ("float", "nan", None),
        ("bool", "TRUE", True),
        ("bool", "0.0", False),
        ("bool", "NaN", None),
        ("string", "NaN", "NaN"),
        ("string", "", ""),
    ],
)
def test_other_values_as_pandas_writes_them(
    folder: Path, kind: str, text: str, expected: object
) -> None:
    content = f"file,caption,v\n{FILES[0]},x,{text}\n"
    (item,) = read(folder, "rows.csv", content, attributes={"v": kind})
    assert isinstance(item, Record)
    assert item.attributes == {"v": expected}


@pytest.mark.parametrize("text", ["1_0.5", "inf", "1,5"])
def test_words_that_are_not_numbers(folder: Path, text: str) -> None:
    content = f'file,caption,v\n{FILES[0]},x,"{text}"\n'
    (item,) = read(folder, "rows.csv", content, attributes={"v": "float"})
    assert isinstance(item, Reject)
    assert item.reason == f"v={text!r} is not a finite number"
