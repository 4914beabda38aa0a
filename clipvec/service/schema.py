"""What goes in and out of the service, as its OpenAPI page shows it."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import UploadFile  # noqa: TC002  pydantic reads the annotation
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from typing import Self

MAX_K = 1000
MAX_TEXT = 2000
MAX_TERMS = 16
MAX_FILTER = 12 * 1024
"""Characters: `MAX_VALUES` values of one attribute fit, and the headers of a request hold it."""
MAX_BATCH = 64
MAX_ID = 4096
MAX_VALUES = 200
_BLANKS = "\t\n\r"
_WITHOUT_BLANKS = str.maketrans("", "", _BLANKS)
_CONTROL = {"Cc", "Cs"}


def has_controls(text: str) -> bool:
    """Return whether there are control characters or lone surrogates: no keyboard types them."""
    return any(unicodedata.category(char) in _CONTROL for char in text)


def _readable(text: str) -> str:
    """Refuse what no tokenizer takes."""
    text = "".join(" " if char in _BLANKS else char for char in text)
    if has_controls(text):
        raise ValueError("it has control characters")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty")
    return text


Readable = AfterValidator(_readable)
Text = Annotated[
    str,
    # as the schema has it; what is blank is refused in our own words
    Field(max_length=MAX_TEXT, json_schema_extra={"minLength": 1}),
    Readable,
    AfterValidator(_not_blank),
]


def is_id(text: str) -> bool:
    """Return whether a row may have this id: file names have line ends now and then."""
    return 0 < len(text) <= MAX_ID and not has_controls(text.translate(_WITHOUT_BLANKS))


def _id(text: str) -> str:
    if not is_id(text):
        raise ValueError("it is not one of a row")
    return text


Id = Annotated[str, Field(min_length=1, max_length=MAX_ID), AfterValidator(_id)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Filter = Annotated[str, Field(max_length=MAX_FILTER), Readable]
MAX_DIM = 65_536
"""Numbers of a vector; of a longer list pydantic would note what is wrong with each of them."""
_STRICT = ConfigDict(extra="forbid", strict=True)


class _Body(BaseModel):
    model_config = _STRICT

    @model_validator(mode="before")
    @classmethod
    def _one_unknown_field(cls, data: Any) -> Any:
        """Keep the first of many unknown fields: pydantic would note what is wrong with each."""
        if not isinstance(data, dict) or len(data) <= len(cls.model_fields):
            return data
        first = next(name for name in data if name not in cls.model_fields)
        return {name: data[name] for name in (*cls.model_fields, first) if name in data}


class Term(_Body):
    """One thing to look for: exactly one of text, image, id and vector."""

    text: Text | None = None
    image: str | None = Field(default=None, description="an image file in base64")
    id: Id | None = Field(default=None, description="a row of the collection")
    vector: Annotated[list[Number], Field(max_length=MAX_DIM, fail_fast=True)] | None = Field(
        default=None, description="D numbers, as embed_text gives them"
    )
    model: str | None = Field(
        default=None,
        max_length=64,
        description="model that made the vector, as embed_text gives it; another one is refused",
    )
    weight: Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)] = Field(
        default=1.0, description="weight of the term; a negative one subtracts it"
    )

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        given = [x for x in (self.text, self.image, self.id, self.vector) if x is not None]
        if len(given) != 1:
            raise ValueError("exactly one of text, image, id and vector is needed")
        if self.model is not None and self.vector is None:
            raise ValueError("model is that of a vector, and there is none")
        return self


_Filters = Annotated[list[Filter], Field(max_length=MAX_TERMS, fail_fast=True)]


class Options(_Body):
    """How many rows are wanted, and which."""

    k: int = Field(default=20, ge=1, le=MAX_K, description="rows to return, at most")
    where: _Filters | dict[str, Any] | None = Field(
        default=None,
        description="filters that must all hold, such as width>=200, or an object "
        "with $and, $or, $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin and $contains",
        max_length=MAX_TERMS,
    )
    min_score: float | None = Field(default=None, ge=-1, le=1, description="lowest cosine")
    rerank: bool = Field(
        default=False, description="re-rank ten times as many candidates by exact cosine"
    )
    hide_duplicates: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="hide a row whose cosine to a better one is at least this",
    )


class Query(Options):
    """What to look for: the weighted sum of the terms."""

    terms: list[Term] = Field(default_factory=list, max_length=MAX_TERMS)
    text: Text | None = Field(default=None, description="shorthand for one text term")
    n_results: int | None = Field(
        default=None,
        ge=1,
        le=MAX_K,
        description="k under its name in SkyPilot's example; adds image_base64 to the answer",
    )

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.terms and self.text is None:
            raise ValueError("nothing to search for: terms or text is needed")
        return self

    def all_terms(self) -> list[Term]:
        """Return the terms, the short form among them."""
        return [*([Term(text=self.text)] if self.text is not None else []), *self.terms]


class Upload(Options):
    """An image to look for, as fields of a form."""

    model_config = ConfigDict(extra="forbid", strict=False)

    image: UploadFile = Field(description="an image file")
    where: list[Filter] | None = Field(
        default=None, max_length=MAX_TERMS, description="filters that must all hold"
    )


class Similar(Options):
    """More rows like one of the collection."""

    id: Id


class Row(BaseModel):
    """A row of the collection."""

    id: str
    caption: str | None
    uri: str
    width: int = Field(description="pixels of the original")
    height: int
    attributes: dict[str, Any]
    thumbnail: str = Field(description="where its thumbnail is, relative to this service")


class Found(Row):
    """A row that a query found."""

    similarity: float = Field(description="cosine of row and query, -1 to 1")
    z_score: float = Field(
        description="standard deviations by which the cosine exceeds that of an average row"
    )
    image_base64: str | None = Field(
        default=None, description="the thumbnail, where n_results was given"
    )


class Ids(_Body):
    """Rows to find on the map."""

    ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_K, fail_fast=True)]


class PointNumbers(BaseModel):
    """Points of the map."""

    points: list[int] = Field(description="places in /map/points, of the rows that are there")


class Texts(_Body):
    """Texts to embed."""

    texts: list[Text] = Field(min_length=1, max_length=MAX_BATCH)


class Embeddings(BaseModel):
    """Vectors of unit length."""

    dim: int
    vectors: list[list[float]]
    model: str = Field(description="digest of the model that made them, as in stats")


class Health(BaseModel):
    """Whether the service is up, and how many rows it holds."""

    status: str
    collection_size: int


class Ready(BaseModel):
    """The service answers."""

    waiting: str | None = Field(description="why what is published now is not served; null: it is")


class Stats(BaseModel):
    """What is served."""

    collection: str
    rows: int
    dim: int
    model: str
    model_digest: str = Field(description="of its weights and preprocessing")
    arch: str
    dataset: str
    attributes: dict[str, str] = Field(description="what `where` can use, and its types")
    compared: bool = Field(description="whether another model answers below /beside")


class ValueCount(BaseModel):
    """A value of an attribute."""

    value: Any
    count: int = Field(description="rows that have it")


class Facet(BaseModel):
    """The values of an attribute."""

    type: str
    distinct: int = Field(description="values that differ")
    missing: int = Field(description="rows that have none")
    least: Any = Field(description="null where there is none")
    most: Any
    values: list[ValueCount] = Field(description=f"the {MAX_VALUES} most frequent ones")


class Facets(BaseModel):
    """What filters leave."""

    rows: int | None = Field(description="rows that pass; null: the index cannot tell")
    attributes: dict[str, Facet]


class Problem(BaseModel):
    """What was wrong, in one sentence."""

    error: str
