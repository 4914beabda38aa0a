"""What made the vectors of a store, so that vectors of different origin are never mixed."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from clipvec import files
from clipvec.config import AttributeType
from clipvec.errors import FingerprintError

if TYPE_CHECKING:
    from collections.abc import Mapping

_OF_CONTENT = {"sources", "digest"}
"""What identifies the content of a dataset that does not grow."""
_CONTENT = {"name", "kind", *_OF_CONTENT}
"""What identifies a dataset besides its settings."""
_SETTINGS = {
    "sharding_count": "sharding.count",
    "attributes": "dataset.attributes",
    "dtype": "store.dtype",
    "thumbnail": "store.thumbnail",
}
_ANOTHER = "the dataset has changed or is a different one; give it another dataset.name"
_COMPARED = ("arch", "dim", "weights", "preprocessing")
"""What is equal in all fingerprints of a model."""
_ANOTHER_STORE = "another store.root"
GOLDEN_COSINE = 0.995
"""Lowest cosine between two golden vectors of one model: tolerates half precision and other
devices, but not different weights, activation functions or preprocessing."""


@dataclass(frozen=True)
class Golden:
    """Embeddings of the built-in probe image and probe text."""

    image: list[float]
    text: list[float]

    def cosine(self, other: Golden) -> float:
        """Return the lower cosine of the two pairs."""
        return min(_cosine(self.image, other.image), _cosine(self.text, other.text))


@dataclass(frozen=True)
class ModelFingerprint:
    """Identifies an encoder, wherever its weights come from."""

    arch: str
    weights: str
    """SHA-256 of the parameters."""
    preprocessing: dict[str, Any]
    dim: int
    golden: Golden

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that stand for it; the golden vectors differ between devices."""
        return files.digest({field: getattr(self, field) for field in _COMPARED})[:16]

    def check(self, other: ModelFingerprint, here: str, there: str) -> None:
        """Refuse ``other`` unless it makes the same vectors.

        Args:
            other: the model in use.
            here: name of what carries this fingerprint, for the message.
            there: name of the model in use, for the message.

        Raises:
            FingerprintError: with both values and the fix.
        """
        for field in _COMPARED:
            mine, others = getattr(self, field), getattr(other, field)
            if mine != others:
                raise FingerprintError(
                    f"{here} was made with model {field} {_brief(mine)}, "
                    f"{there} has {_brief(others)}; use the model that made it, "
                    "or another store.root or model.name"
                )
        cosine = self.golden.cosine(other.golden)
        if not cosine >= GOLDEN_COSINE:  # also true for NaN
            raise FingerprintError(
                f"{here}: this model embeds the probe with cosine {cosine:.4f} to the model that "
                f"made it (at least {GOLDEN_COSINE} is needed); check model.precision, "
                "model.device and the versions of torch and open_clip"
            )


@dataclass(frozen=True)
class Fingerprint:
    """Identifies a store."""

    dataset: dict[str, str | int | None]
    """Name, kind, number of sources and digest of their listing; its revision; the settings for
    a row's image, caption and id."""
    sharding_count: int
    attributes: dict[str, str]
    dtype: str
    thumbnail: int
    model: ModelFingerprint
    precision: str
    """Precision of the encoder; empty: there is none."""
    code: str
    """Version of clipvec that made the store, see `clipvec.version`; recorded, not compared."""

    @property
    def grows(self) -> bool:
        """Whether its dataset may: generations say what is in it then, and not the fingerprint."""
        return not _OF_CONTENT & self.dataset.keys()

    def check_data(
        self, other: Mapping[str, Any], where: str, another: str = _ANOTHER_STORE
    ) -> None:
        """Refuse another dataset, sharding or row layout.

        Args:
            other: the fields of a fingerprint except the model.
            where: name of the store, for the message.
            another: what else can be given, for the message.

        Raises:
            FingerprintError: with both values and the fix.
        """
        mine, others = self.dataset, other["dataset"]
        if mine.get("kind") == others.get("kind"):
            for key in [key for key in mine | others if key not in _CONTENT]:
                _same(f"dataset.{key}", mine.get(key), others.get(key), where, "", another)
        _same("dataset", mine, others, where, _ANOTHER, another)
        for field, name in _SETTINGS.items():
            mend = self._mend(field, name)
            _same(name, getattr(self, field), other[field], where, mend, another)

    def _mend(self, field: str, name: str) -> str:
        """Return what to give for a mapping: Hydra merges one with what a dataset has of itself."""
        if not isinstance(mine := getattr(self, field), dict):
            return ""
        words = (f"~{name}", f"+{name}={_brief(mine)}")
        return "use " + " ".join(map(shlex.quote, words if mine else words[:1]))

    def check_precision(self, precision: str, where: str) -> None:
        """Refuse vectors of another precision than those in the store, if they have one.

        Args:
            precision: of the encoder in use.
            where: name of the store, for the message.

        Raises:
            FingerprintError: with both values and the fix.
        """
        _same("model.precision", self.precision or precision, precision, where)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Fingerprint:
        """Return the fingerprint that `to_json` wrote."""
        model = dict(values["model"])
        model["golden"] = Golden(**model["golden"])
        found = cls(**{**values, "model": ModelFingerprint(**model)})
        golden, dim = found.model.golden, found.model.dim
        if not len(golden.image) == len(golden.text) == dim:
            raise ValueError(f"dim is {dim}, the golden vectors have {len(golden.image)} numbers")
        if found.dtype not in {"float16", "float32"} or found.sharding_count < 1:
            raise ValueError(f"dtype {found.dtype}, {found.sharding_count} shards")
        if not set(found.attributes.values()) <= set(get_args(AttributeType)):
            raise ValueError(f"attributes {found.attributes}")
        return found


def _same(
    name: str,
    mine: object,
    others: object,
    where: str,
    mend: str = "",
    another: str = _ANOTHER_STORE,
) -> None:
    """Refuse a setting that differs from the one the store at ``where`` was made with."""
    if mine != others:
        given = f"{name}={'null' if mine is None else mine}"
        raise FingerprintError(
            f"{where} was made with {name} {_brief(mine)}, not {_brief(others)}: "
            f"{mend or f'use {given}'}, or {another}"
        )


def _cosine(a: list[float], b: list[float]) -> float:
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape:
        return -1.0
    return float(x @ y / (np.linalg.norm(x) * np.linalg.norm(y)))


def _brief(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_brief(item)}" for key, item in value.items()) + "}"
    text = str(value)
    return f"{text[:12]}…" if len(text) == 64 else text
