from __future__ import annotations

import math
from decimal import Decimal

import pytest

from clipvec.data import Record, Reject
from clipvec.data.attributes import check, convert, make_record, parse_json
from clipvec.errors import ConfigError


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("a", "string", "a"),
        ("", "string", ""),
        (7, "string", "7"),
        (True, "string", "true"),
        ("bad \udcff", "string", "bad \\udcff"),
        (7, "int", 7),
        (7.0, "int", 7),
        ("-7", "int", -7),
        (Decimal(7), "int", 7),
        ("", "int", None),
        (None, "int", None),
        (7, "float", 7.0),
        ("0.5", "float", 0.5),
        (math.nan, "float", None),
        (math.nan, "string", None),
        (True, "bool", True),
        (0, "bool", False),
        ("False", "bool", False),
        ("1", "bool", True),
        ("", "bool", None),
    ],
)
def test_convert(value: object, kind: str, expected: object) -> None:
    converted = convert("x", value, kind)  # type: ignore[arg-type] # one of the four
    assert converted == expected
    assert type(converted) is type(expected)


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (["a"], "string", "x=['a'] is not text"),
        (b"a", "string", "x=b'a' is not text"),
        ("seven", "int", "x='seven' is not a 64-bit integer"),
        (7.5, "int", "x=7.5 is not a 64-bit integer"),
        (2**63, "int", "x=9223372036854775808 is not a 64-bit integer"),
        (math.inf, "int", "x=inf is not a 64-bit integer"),
        (True, "int", "x=True is not a 64-bit integer"),
        ("wide", "float", "x='wide' is not a finite number"),
        (math.inf, "float", "x=inf is not a finite number"),
        (10**400, "float", f"x=1{'0' * 76}... is not a finite number"),
        ("maybe", "bool", "x='maybe' is not true or false"),
        (2, "bool", "x=2 is not true or false"),
    ],
)
def test_convert_refuses(value: object, kind: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        convert("x", value, kind)  # type: ignore[arg-type] # one of the four
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["id", "uri", "caption", "width", "height", "embedding", "_x"])
def test_reserved_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"dataset\.attributes\.{name} is a reserved name"):
        check({name: "string"})


def test_a_value_that_does_not_convert_rejects_only_its_record() -> None:
    good = make_record("a", "u", b"x", "words ", {"n": "3", "more": []}, {"n": "int", "m": "bool"})
    assert good == Record("a", "u", b"x", "words", {"n": 3, "m": None})
    bad = make_record("a", "u", b"x", None, {"n": "three"}, {"n": "int"})
    assert bad == Reject("a", "u", "n='three' is not a 64-bit integer", "AttributeValue")


def test_captions() -> None:
    captions = {"": None, "  ": None, None: None, 5: "5"}
    for given, expected in captions.items():
        record = make_record("a", "u", b"x", given, {}, {})
        assert isinstance(record, Record)
        assert record.caption == expected
    first = make_record("a", "u", b"x", ["one", "two"], {}, {})
    assert isinstance(first, Record)
    assert first.caption == "one"


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"{", "not valid JSON"), (b"[1]", "not a JSON object but list"), (b"[" * 10**5, "not valid")],
)
def test_json_that_is_not_an_object(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_json(content)
