"""One-line messages."""

from __future__ import annotations

import re

import pytest

from clipvec import errors
from clipvec.errors import (
    ClipvecError,
    brief,
    holds_secret,
    one_line,
    url_without_secrets,
    without_secrets,
)


def test_the_tree_of_errors_names_every_class_with_its_exit_code() -> None:
    tree = r"^[ │├└─]{4,}(\w+) +(?:exit code )?(128 \+|\d)"
    shown = dict(re.findall(tree, errors.__doc__ or "", re.MULTILINE))
    codes = {
        name: str(each.exit_code)
        for name, each in vars(errors).items()
        if isinstance(each, type) and issubclass(each, ClipvecError)
    }
    assert shown == {**codes, "Interrupted": "128 +"}


def test_free_text_becomes_one_printable_line() -> None:
    assert one_line("a\nb\x1b[31m\x00c\u202e\ud800 d") == "a b [31m c d"
    assert one_line(ValueError("  two\r\n\tlines\xa0")) == "two lines"
    assert one_line("می\u200cروم") == "می\u200cروم"


def test_long_text_ends_with_a_whole_word() -> None:
    assert brief("as it\nis ") == "as it is"
    assert brief("sent by the client", 15) == "sent by the …"
    assert brief("sent by the client", 11) == "sent by the …"
    assert brief("x" * 20, 15) == "x" * 15 + " …"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://host/photos%20(1).tar?X-Amz-Signature=hidden", "https://host/photos%20(1).tar"),
        ("https://host/it's.tar?a=(x)'y&sig=hidden, again", "https://host/it's.tar, again"),
        ("no file 'https://host/a.tar?sig=hidden'; look", "no file 'https://host/a.tar'; look"),
        ("https://hf_hidden@huggingface.co/x.tar", "https://huggingface.co/x.tar"),
        ("https:/hf_hidden@huggingface.co/x.tar", "https://huggingface.co/x.tar"),
        ("https:/me:hidden@host/x.tar", "https://host/x.tar"),
        ("s3:/KEY:hidden@bucket/x", "s3://bucket/x"),
        ("s3://KEY:hid/den@bucket/x", "s3://bucket/x"),
        ("ftp://me@mail.com:hidden@host/x", "ftp://host/x"),
        ("az://container/x?sv=1&sig=hidden", "az://container/x"),
        ("abfs://c@account.dfs.core.windows.net/x?sig=hidden%3D", "abfs://c@account.dfs.core.windows.net/x"),
    ],
)  # fmt: skip
def test_secrets_of_urls_are_found_and_left_out(text: str, shown: str) -> None:
    assert holds_secret(f"path: {text}\n")
    assert without_secrets(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://host:8080/a@b.tar",
        "https://${oc.env:TOKEN}@host/a.tar",
        "https://me:${oc.env:PASSWORD}@host/a.tar?sig=${oc.env:SIG}",
        "s3://${oc.env:KEY}:${oc.env:SECRET}@bucket",
        "sftp://me@host/a",
        "s3://bucket/a.tar?versionId=3sL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY",
        "abfs://container@account.dfs.core.windows.net/a",
        "github://org:repo@main/a",
        "/data/me:pass@host/a?sig=b",
        "C:/a@b",
    ],
)
def test_what_is_no_secret(text: str) -> None:
    assert not holds_secret(f"path: {text}\nother: '{text}'\n")


def test_blanks_are_part_of_what_is_a_url() -> None:
    assert url_without_secrets("https://host/my photos.tar?sig=a b") == "https://host/my photos.tar"
    assert url_without_secrets("zip://a?b::https://host/c?d") == "zip://a"
    assert url_without_secrets("/photos/what?.jpg") == "/photos/what?.jpg"
