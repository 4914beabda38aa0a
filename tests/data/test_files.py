from __future__ import annotations

import os
from pathlib import Path

import fsspec
import pytest

from clipvec.data import files
from clipvec.errors import ConfigError, DatasetError
from clipvec.locations import PACKAGE_SCHEME, package_file


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def test_braces_globs_and_lists_are_sorted_without_duplicates(tmp_path: Path) -> None:
    touch(tmp_path, "a-00.tar", "a-01.tar", "b/c.tar", "other.txt")
    found = files.expand(
        [f"{tmp_path}/b/c.tar", f"{tmp_path}/a-{{01,00}}.tar", f"{tmp_path}/*.tar"]
    )
    assert [(source.name, source.size) for source in found] == [
        ("a-00.tar", 8),
        ("a-01.tar", 8),
        ("b/c.tar", 7),
    ]
    assert found[0].url == found[0].path == f"{tmp_path}/a-00.tar"


def test_a_name_with_brackets_is_taken_literally(tmp_path: Path) -> None:
    touch(tmp_path, "[old]/a.tar")
    assert files.expand(f"{tmp_path}/[old]/a.tar")[0].name == "a.tar"


def test_package_files_keep_a_portable_url() -> None:
    (source,) = files.expand(PACKAGE_SCHEME + "error?.py")
    assert source.url == "pkg://clipvec/errors.py"
    assert source.path == package_file(source.url)


def test_remote_files_are_listed_with_sizes() -> None:
    store = fsspec.filesystem("memory")
    store.pipe({"/sources-bucket/a.tar": b"12", "/sources-bucket/x/b.tar": b"3"})
    try:
        found = files.expand("memory://sources-bucket/{a,x/b}.tar")
        assert [(source.name, source.size) for source in found] == [("a.tar", 2), ("x/b.tar", 1)]
        with files.open_file(found[0].path) as stream:
            assert stream.read() == b"12"
        with pytest.raises(DatasetError, match=r"memory://sources-bucket/\*\.zip' matches no file"):
            files.expand("memory://sources-bucket/*.zip")
    finally:
        store.rm("/sources-bucket", recursive=True)


def test_https_is_not_requested_before_reading_and_its_signature_is_hidden() -> None:
    found = files.expand("https://nowhere.invalid/a/{0..1}.tar?sig=secret/x")
    assert [(source.url, source.name, source.size) for source in found] == [
        ("https://nowhere.invalid/a/0.tar", "0.tar", None),
        ("https://nowhere.invalid/a/1.tar", "1.tar", None),
    ]
    assert found[0].path == "https://nowhere.invalid/a/0.tar?sig=secret/x"


def test_missing_files_are_a_one_line_error(tmp_path: Path) -> None:
    touch(tmp_path, "a.tar")
    cases = {
        f"{tmp_path}/*.zip": (DatasetError, "matches no file; give files, patterns such as"),
        f"{tmp_path}/b.tar": (DatasetError, f"not found: {tmp_path}/b.tar"),
        f"{tmp_path}/{{a,b}}.tar": (DatasetError, f"not found: {tmp_path}/b.tar"),
        str(tmp_path): (DatasetError, "is a folder; name the files in it, such as"),
        f"{tmp_path}/{{0..9.tar": (ConfigError, "unbalanced braces"),
        "nope://bucket/a.tar": (DatasetError, "cannot be read: Protocol not known: nope"),
    }
    for pattern, (kind, message) in cases.items():
        with pytest.raises(kind) as caught:
            files.expand(pattern)
        assert message in str(caught.value)
        assert pattern in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="empty list"):
        files.expand([])


def test_a_missing_package_is_named() -> None:
    with (
        pytest.raises(ConfigError, match=r"run: pip install 'clipvec\[gcs\]'"),
        files.dataset_errors("dataset.path='gs://b/*'", "gs://b/*"),
    ):
        raise ImportError("Please install gcsfs")


STRANGE = "[2020] cats, {raw} (50%) #1 'é' ~x*?"


@pytest.mark.parametrize("pattern", ["*.tar", "{a,b}.tar", "[ab].tar", "a.tar"])
@pytest.mark.parametrize("name", [STRANGE, "{open", "**"])
def test_a_folder_with_glob_characters_in_its_name(tmp_path: Path, name: str, pattern: str) -> None:
    (tmp_path / name / "[sub]").mkdir(parents=True)
    (tmp_path / "2").mkdir()  # what "[2020] cats" is a pattern of
    for file in ("a.tar", "b.tar"):
        (tmp_path / name / "[sub]" / file).touch()
    found = files.expand(f"{tmp_path}/{name}/[sub]/{pattern}")
    expected = ["a.tar"] if pattern == "a.tar" else ["a.tar", "b.tar"]
    assert [source.path for source in found] == [
        f"{tmp_path}/{name}/[sub]/{file}" for file in expected
    ]


def test_a_bracket_that_matches_nothing_names_the_fix(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"matches no file; .*'\[\[\]' for a '\['"):
        files.expand(f"{tmp_path}/[x/*.tar")


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("https://me:pass@host/a@b.tar?sig=x", "https://host/a@b.tar"),
        ("https://token@host/a.tar", "https://host/a.tar"),
        ("s3://KEY:SECRET@bucket/a?b.jpg", "s3://bucket/a?b.jpg"),
        ("simplecache::https://host/a.tar?sig=x", "simplecache::https://host/a.tar"),
        ("zip://a.jpg::ftp://me:pass@host/a.zip", "zip://a.jpg::ftp://host/a.zip"),
        ("abfs://container@account.dfs.core.windows.net/a", None),
        ("github://org:repo@main/a", None),
        ("/data/me:pass@host/a?b", None),
    ],
)
def test_an_address_is_shown_without_secrets(path: str, shown: str | None) -> None:
    assert files.display_url(path) == (shown or path)


def test_an_error_is_shown_without_secrets() -> None:
    with pytest.raises(DatasetError) as raised:
        files.expand("ftp://me:pass@host.invalid/*.tar")
    assert "pass" not in str(raised.value)
    assert "ftp://host.invalid/*.tar" in str(raised.value)
    taken_for_a_path = OSError("no file at /data/https:/me:pass@host/a?sig=x or C:/a@b?c")
    assert files.first_line(taken_for_a_path) == "no file at /data/https://host/a or C:/a@b?c"


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.tar")  # nobody ever writes there
    (tmp_path / "b.tar").symlink_to("/dev/zero")
    for name, kind in {"a.tar": "a pipe", "b.tar": "a device"}.items():
        (source,) = files.expand(str(tmp_path / name))
        with (
            pytest.raises(DatasetError, match=f"cannot be read: .*it is {kind}, not a regular"),
            files.dataset_errors(source.url),
        ):
            files.open_file(source.path)
    with pytest.raises(DatasetError, match="matches no file"):
        files.expand(f"{tmp_path}/*.tar")
