"""The ``index`` group: backends that search vectors."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field
from pydantic.dataclasses import dataclass

from clipvec import paths
from clipvec.config.fields import STRICT, Port, PublicPlace
from clipvec.config.kinds import Kind, Registry


@dataclass(frozen=True, config=STRICT)
class IndexKind(Kind):
    """What every index backend has; it loads a `clipvec.index.backend.IndexBackend`."""

    by_shards: ClassVar[bool] = False
    """Whether several jobs can fill an index, each with some shards."""

    @property
    def folder(self) -> str | None:
        """Folder of this machine that holds the indexes; None: a server holds them."""
        return None

    def location(self, name: str = "") -> str:
        """Return the path or URL of an index, or of where all indexes are."""
        raise NotImplementedError


@dataclass(frozen=True, config=STRICT)
class FolderIndexKind(IndexKind):
    """What a backend has that keeps its indexes in a folder."""

    path: PublicPlace
    """Folder of the indexes."""

    @property
    def folder(self) -> str:
        """Folder of this machine that holds the indexes."""
        return self.path

    def location(self, name: str = "") -> str:
        """Return the folder of an index, or of all indexes."""
        return str(paths.IndexPaths(self.path).collection(name))


@dataclass(frozen=True, config=STRICT)
class ChromaConfig(FolderIndexKind):
    """A Chroma database in a folder."""

    loads = "clipvec.index.chroma.backend:ChromaBackend"
    kind: Literal["chroma"] = "chroma"


@dataclass(frozen=True, config=STRICT)
class ChromaHttpConfig(IndexKind):
    """A Chroma server; if it requires a token, set CHROMA_TOKEN in the environment or .env."""

    loads = "clipvec.index.chroma.backend:ChromaBackend"
    host: str
    """Address of the server."""
    port: Port
    """Port of the server."""
    ssl: bool = False
    """Connect by HTTPS."""
    kind: Literal["chroma_http"] = "chroma_http"

    def location(self, name: str = "") -> str:
        """Return the URL of the server, and the name of an index on it."""
        url = f"{'https' if self.ssl else 'http'}://{self.host}:{self.port}"
        return f"{url}/{name}" if name else url


@dataclass(frozen=True, config=STRICT)
class FaissConfig(FolderIndexKind):
    """A FAISS index on disk: short codes in inverted lists find rows that are ranked by vectors."""

    loads = "clipvec.index.faiss.backend:FaissBackend"
    extras = ("faiss",)
    by_shards = True
    factory: str = "auto"
    """FAISS factory string of inverted lists, such as ``IVF4096,RaBitQ``, or ``Flat``, which
    compares every vector; auto: chosen by the number of rows and their dimension. Fixed once
    built."""
    nprobe: Annotated[int, Field(ge=1)] | None = None
    """Lists that a query looks into; null: as set on the index by ``recall``, else 64."""
    candidates: Annotated[int, Field(ge=1)] | None = None
    """Rows from these lists that are ranked by their vectors; null: as set on the index by
    ``recall``, else 200."""
    kind: Literal["faiss"] = "faiss"


INDEXES: Registry[IndexKind] = Registry(
    "clipvec.indexes", (ChromaConfig, ChromaHttpConfig, FaissConfig)
)
IndexConfig: TypeAlias = Annotated[IndexKind, INDEXES]
