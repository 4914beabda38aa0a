"""Text files: UTF-8, UTF-16 with a byte order mark, or a named encoding."""

from __future__ import annotations

import codecs

_MARKS = (  # UTF-32 first: its mark starts with that of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class UnknownEncoding(ValueError):
    """Text in an unknown encoding; the message completes a sentence."""


def decode_text(content: bytes, encoding: str | None) -> str:
    """Return the text of a file without its byte order mark.

    The mark decides, else UTF-8 if valid, else ``encoding``: guessing would give garbage.

    Raises:
        UnknownEncoding: none of them fits.
    """
    for mark, marked in _MARKS:
        if content.startswith(mark):
            return _strict(content, marked)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        if encoding is None:
            raise UnknownEncoding(
                "not UTF-8, nor UTF-16 with a mark; name its encoding, such as "
                "dataset.encoding=cp1252"
            ) from error
    else:
        if "\0" not in text:
            return text
        if encoding is None:
            raise UnknownEncoding(
                "not text: it has NUL characters; take them out, or, if it is UTF-16 without a "
                "mark, say so by dataset.encoding=utf-16-le"
            )
    return _strict(content, encoding)


def _strict(content: bytes, encoding: str) -> str:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise UnknownEncoding(f"not {encoding}: {error.reason} at byte {error.start}") from error
    if "\0" in text:  # UTF-16 without a mark, most often
        raise UnknownEncoding(f"not {encoding}: it has NUL characters")
    return text
