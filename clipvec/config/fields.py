"""The types of single fields."""

from __future__ import annotations

import codecs
import re
import unicodedata
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, ConfigDict, Field

from clipvec.errors import holds_secret
from clipvec.locations import expanded

STRICT = ConfigDict(extra="forbid")
IN_WORDS: dict[str, str] = {}
"""What each pattern allows, for messages."""


def matching(pattern: str, allowed: str, most: int | None = None) -> Any:
    """Return the field of a text.

    Args:
        pattern: that the text matches.
        allowed: the same in words.
        most: number of characters that it may have.
    """
    IN_WORDS[pattern] = allowed
    return Field(pattern=pattern, max_length=most)


Name = Annotated[
    str,
    matching(
        r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$",
        "letters of A to Z, digits and . _ -, with a letter or a digit at both ends",
        64,
    ),
]
"""Becomes a folder of the store and part of a collection's name."""
ModelName = Annotated[
    str,
    matching(
        r"^[A-Za-z0-9]([._]*-?[._]*[A-Za-z0-9])*$",
        "letters of A to Z, digits and . _ -, with a letter or a digit at both ends and no --",
        64,
    ),
]
"""As `Name`; ``--`` ends the name of the dataset in that of a collection."""
Port = Annotated[int, Field(ge=1, le=65535)]
EnvironmentName = Annotated[
    str,
    matching(r"^[A-Za-z_][A-Za-z0-9_]*$", "letters of A to Z, digits and _, no digit in front"),
]
AttributeType: TypeAlias = Literal["string", "int", "float", "bool"]
AttributeName = Annotated[
    str,
    matching(r"^[A-Za-z][A-Za-z0-9_.-]*$", "letters of A to Z, digits and _ . -; a letter first"),
]
Attributes: TypeAlias = dict[AttributeName, AttributeType]
Number: TypeAlias = int | float
Values = Annotated[list[Number], Field(min_length=1)]
Efs = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
PositiveNumber = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
Limit: TypeAlias = Annotated[int, Field(ge=1)] | None


def _not_empty(value: str | list[str]) -> str | list[str]:
    if not value or (isinstance(value, list) and "" in value):
        raise ValueError("empty, as from a shell's variable that is not set; name a place")
    return value


def _public(value: str) -> str:
    if holds_secret(value):
        raise ValueError(
            "a password or a signature, which records and summaries would show; leave it out, and "
            "put the credentials into the environment, such as AWS_SECRET_ACCESS_KEY"
        )
    return value


def _codec(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise ValueError("no encoding that Python knows; cp1252 is one") from None


def admitting(share: float) -> float:
    """Return the least ``max_..._fraction``, in hundredths, that lets a share pass."""
    return min(1.0, -(-share * 100 // 1) / 100)


def name_of(path: str) -> str:
    """Return the `Name` that a folder gives: the last part of its path, of letters without accents.

    ``/mnt/nas/Ömer's photos [2020]`` gives ``Omer-s-photos-2020``; one of no letters ``folder``.
    """
    local = "://" not in path
    last = expanded(path).absolute().name if local else path.rstrip("/").rpartition("/")[2]
    plain = unicodedata.normalize("NFKD", last).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-._")[:64].rstrip("-._") or "folder"


Place = Annotated[str, AfterValidator(_not_empty)]
"""A folder, a file or a URL; an empty one would be the folder that the command is started in."""
PublicPlace = Annotated[Place, AfterValidator(_public)]
"""One that is shown as it is, in sweeps' records and in what is printed."""
Places = Annotated[str | list[str], AfterValidator(_not_empty)]
Encoding = Annotated[str, AfterValidator(_codec)]
