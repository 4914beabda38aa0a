"""Where collections lie: a folder for each of them, or one server for all."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING, Any, Protocol, cast

from clipvec import paths
from clipvec.config import EmbeddedIndexConfig
from clipvec.errors import CollectionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from chromadb.api.client import Client

    from clipvec.config import HttpIndexConfig, IndexConfig

MARK = "clipvec"
"""Metadata key of every collection that clipvec made."""
LEDGER = "--ledger"
REBUILD = "--rebuild"
OLD = "--old"
_DATABASE = "chroma.sqlite3"
_LITTLE_SPACE = 2**24
"""Bytes free on a disk below which it counts as full."""
_FULL = "the disk is full; free space there, or choose another index.path; the same command goes on"
_MENDS = {
    "code: 8)": "the database cannot be written; make it writable, or choose another index.path",
    "code: 13)": _FULL,
    "code: 14)": "the database cannot be opened; check its permissions, or choose another "
    "index.path",
    "code: 26)": "this is not a Chroma database; choose another index.path, or index again "
    "with --rebuild",
    "os error 13": "no permission; choose another index.path",
    "Errno 13": "choose another index.path",
    "Errno 17": "choose another index.path",
    "Errno 20": "choose another index.path",
    "Errno 30": "choose another index.path",
    "os error 28": _FULL,
}


@contextlib.contextmanager
def chroma_errors(where: str) -> Iterator[None]:
    """Turn what Chroma raises into one line about ``where``."""
    from chromadb.errors import ChromaError
    from httpx import TransportError

    try:
        yield
    except TransportError as error:
        raise CollectionError(f"{where} does not answer ({error}); is it still running?") from error
    except (ChromaError, OSError) as error:
        text = str(error)
        raise CollectionError(
            "; ".join([f"{where}: {text[:300]}", *_mends(where, text)])
        ) from error


def _mends(where: str, text: str) -> list[str]:
    found = [mend for code, mend in _MENDS.items() if code in text]
    if not found:
        # Chroma seldom says that there is no space left; it fails at whatever it was doing.
        with contextlib.suppress(OSError):
            if shutil.disk_usage(where).free < _LITTLE_SPACE:
                return [_FULL]
    return found


def close(client: Client) -> None:
    """Close a client, and the connections to a server that Chroma's own method leaves open."""
    servers = [getattr(part, "_server", None) for part in (client, client._admin_client)]
    client.close()
    for server in servers:
        if (session := getattr(server, "_session", None)) is not None:
            session.close()


class Place(Protocol):
    """Holds collections by name; a rename takes effect at once or not at all."""

    local: bool
    """Whether the collections live in the memory of this process."""

    def names(self) -> list[str]:
        """Return the names of the collections here, without ledgers."""
        ...

    def collections(self) -> list[str]:
        """Return those names that are not of a rebuilding under way."""
        return [name for name in self.names() if not name.endswith((REBUILD, OLD))]

    def where(self, name: str) -> str:
        """Return where a collection lies, for messages."""
        ...

    def inner(self, name: str) -> str:
        """Return the name by which Chroma knows the collection ``name``."""
        ...

    def lock_file(self, name: str) -> Path | None:
        """Return the lock of whoever fills the collection ``name``; None: there can be none."""
        ...

    def connect(self, name: str) -> Client:
        """Return a client for the collection ``name``, which need not exist yet; close it."""
        ...

    def check_ours(self, name: str) -> None:
        """Refuse to replace what something else made."""
        ...

    def rename(self, name: str, new: str) -> None:
        """Rename a collection that nobody here has open."""
        ...

    def remove(self, name: str) -> None:
        """Remove a collection; it may be gone already."""
        ...


def open_place(index: IndexConfig) -> Place:
    """Return the place that ``index`` names."""
    if isinstance(index, EmbeddedIndexConfig):
        return FolderPlace(index)
    return ServerPlace(index)


class FolderPlace(Place):
    """A folder with a Chroma database in a subfolder for each collection."""

    local = True

    def __init__(self, index: EmbeddedIndexConfig) -> None:
        self._root = index.path

    def names(self) -> list[str]:
        """Return the names of the collections here."""
        with chroma_errors(self._root):
            found = paths.IndexPaths(self._root).folder.glob(f"*/{_DATABASE}")
            return sorted(path.parent.name for path in found)

    def where(self, name: str) -> str:
        """Return the folder of a collection."""
        return str(self._dir(name))

    def inner(self, name: str) -> str:
        """Return the collection's name, which does not change when its folder is renamed."""
        return name.removesuffix(REBUILD)

    def lock_file(self, name: str) -> Path:
        """Return the lock beside the folder of a collection, which a rebuild renames."""
        return paths.IndexPaths(self._root).lock(name)

    def connect(self, name: str) -> Client:
        """Return a client for the database of collection ``name``, made if it is missing."""
        import chromadb
        from chromadb.api.shared_system_client import SharedSystemClient

        folder = self._dir(name)
        with chroma_errors(str(folder)):
            if folder.is_dir() and any(folder.iterdir()) and not (folder / _DATABASE).is_file():
                raise CollectionError(
                    f"{folder} is not empty and not a Chroma database; choose another index.path"
                )
            folder.mkdir(parents=True, exist_ok=True)
            try:
                return cast("Client", chromadb.PersistentClient(str(folder), _settings()))
            except BaseException:
                # Chroma keeps what failed to start, and would hand it out the next time.
                SharedSystemClient._identifier_to_system.pop(str(folder), None)
                raise

    def check_ours(self, name: str) -> None:
        """Refuse a database with collections of something else; a damaged one may be replaced."""
        if not self._dir(name).exists():
            return
        try:
            client = self.connect(name)
        except CollectionError:
            if (self._dir(name) / _DATABASE).is_file():
                return
            raise
        try:
            with chroma_errors(self.where(name)):
                for collection in client.list_collections():
                    _check_mark(collection, f"{self.where(name)}: collection {collection.name}")
        finally:
            close(client)

    def rename(self, name: str, new: str) -> None:
        """Rename the folder of a collection."""
        with chroma_errors(self.where(name)):
            self._dir(name).rename(self._dir(new))

    def remove(self, name: str) -> None:
        """Remove the folder of a collection."""
        self.check_ours(name)
        with chroma_errors(self.where(name)), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._dir(name))

    def _dir(self, name: str) -> Path:
        return paths.IndexPaths(self._root).collection(name)


class ServerPlace(Place):
    """A Chroma server."""

    local = False

    def __init__(self, index: HttpIndexConfig) -> None:
        self._index = index
        self._url = f"{'https' if index.ssl else 'http'}://{index.host}:{index.port}"

    def names(self) -> list[str]:
        """Return the names of clipvec's collections on the server."""
        with self._errors("") as client:
            found = [c.name for c in client.list_collections() if MARK in (c.metadata or {})]
        return sorted(name for name in found if not name.endswith(LEDGER))

    def where(self, name: str) -> str:
        """Return the server's URL and the collection's name."""
        return f"{self._url} collection {name}"

    def inner(self, name: str) -> str:
        """Return the name itself."""
        return name

    def lock_file(self, name: str) -> None:
        """Return None: Chroma has no lock that ends with the process that holds it."""

    def connect(self, name: str) -> Client:
        """Return a client of the server."""
        import chromadb

        index, token = self._index, os.environ.get("CHROMA_TOKEN")
        # Chroma's own servers read the one, proxies in front of it the other.
        headers = {"x-chroma-token": token, "Authorization": f"Bearer {token}"} if token else {}
        try:
            with chroma_errors(self._url):
                client = chromadb.HttpClient(
                    index.host, index.port, ssl=index.ssl, headers=headers, settings=_settings()
                )
                return cast("Client", client)
        except ValueError as error:
            # Chroma's only sign of a server that is missing, or is not Chroma
            raise CollectionError(
                f"no Chroma server answers at {self._url} ({str(error)[:60].splitlines()[0]}); "
                f"start one with: chroma run --path data/chroma --port {index.port}, "
                "or change index.host and index.port"
            ) from error

    def check_ours(self, name: str) -> None:
        """Refuse a collection of something else."""
        from chromadb.errors import NotFoundError

        with self._errors(name) as client, contextlib.suppress(NotFoundError):
            found = client.get_collection(name, embedding_function=None)
            _check_mark(found, self.where(name))

    def rename(self, name: str, new: str) -> None:
        """Rename a collection; its ledger is bound to its id and follows."""
        with self._errors(name) as client:
            client.get_collection(name, embedding_function=None).modify(name=new)

    def remove(self, name: str) -> None:
        """Remove a collection and its ledger."""
        from chromadb.errors import NotFoundError

        self.check_ours(name)
        with self._errors(name) as client, contextlib.suppress(NotFoundError):
            collection = client.get_collection(name, embedding_function=None)
            with contextlib.suppress(NotFoundError):
                client.delete_collection(f"{collection.id}{LEDGER}")
            client.delete_collection(name)

    @contextlib.contextmanager
    def _errors(self, name: str) -> Iterator[Client]:
        client = self.connect(name)
        try:
            with chroma_errors(self.where(name)):
                yield client
        finally:
            close(client)


def _settings() -> Any:
    from chromadb.config import Settings

    return Settings(anonymized_telemetry=False)


def _check_mark(collection: Any, where: str) -> None:
    if MARK not in (collection.metadata or {}):
        raise CollectionError(
            f"{where} was made by something else than clipvec; choose another index.path, "
            "another server, or another dataset.name"
        )
