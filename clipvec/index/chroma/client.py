"""Clients of Chroma: a folder for each collection, or one server for all."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
from typing import TYPE_CHECKING, Any, Protocol, cast

from clipvec import paths
from clipvec.config import ChromaConfig
from clipvec.errors import CollectionError, DiskFullError, SchemaError
from clipvec.files import file_state
from clipvec.index.base import BuildStats, IndexInfo
from clipvec.index.chroma.graphs import REBUILD_IT, check_graphs, is_chromas, unseal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from chromadb import Collection
    from chromadb.api.client import Client

    from clipvec.config import ChromaHttpConfig

MARK = "clipvec"
"""Metadata key of every collection that clipvec made."""
BUILD_STATS = f"{MARK}_built"
"""Metadata key of what the build took."""
EXPECTED_ROWS = f"{MARK}_expected_rows"
"""Metadata key of how many rows a first loading brings; it goes when that is verified."""
LEDGER = "--ledger"
REBUILD = "--rebuild"
OLD = "--old"
_connecting = threading.Lock()
_LITTLE_SPACE = 2**24
"""Bytes free on a disk below which it counts as full."""
_FULL = (
    "the disk is full; free space, or choose another index.path, and rerun the command, with "
    "--rebuild if the graph was cut off"
)
_FULL_TO_OPEN = (
    "the disk is full, and Chroma writes some kilobytes whenever it opens an index, also to read "
    "it; free space, and run the command again"
)
_FULL_CODES = ("code: 13)", "os error 28")
_DAMAGED = f"the index is damaged; {REBUILD_IT}"
_MENDS = {
    "code: 8)": "Chroma writes to a database whenever it opens it, also to read it; make it "
    "writable, or choose another index.path",
    "code: 11)": _DAMAGED,
    "code: 14)": "the database cannot be opened; check its permissions, or choose another "
    "index.path",
    "code: 26)": "this is not a Chroma database; choose another index.path, or index again "
    "with --rebuild",
    "os error 13": "no permission; choose another index.path",
    "Errno 13": "choose another index.path",
    "Errno 17": "choose another index.path",
    "Errno 20": "choose another index.path",
    "Errno 30": "choose another index.path",
    "hnsw": _DAMAGED,
    "Error getting embedding": _DAMAGED,
    "Error finding id": _DAMAGED,
    "does not exist": "make it with clipvec index",
}


@contextlib.contextmanager
def chroma_errors(location: str, full: str = _FULL) -> Iterator[None]:
    """Turn what Chroma raises into one line about ``location``; ``full``: for a full disk."""
    from chromadb.errors import ChromaError
    from httpx import TransportError

    try:
        yield
    except TransportError as error:
        raise CollectionError(
            f"{location} does not answer ({error}); is it still running?"
        ) from error
    except (ChromaError, OSError) as error:
        text = str(error)
        mends = _mends(location, text, full)
        kind = DiskFullError if full in mends else CollectionError
        raise kind("; ".join([f"{location}: {text[:300]}", *mends])) from error


def _mends(location: str, text: str, full: str) -> list[str]:
    if any(code in text for code in _FULL_CODES):
        return [full]
    found = [mend for code, mend in _MENDS.items() if code in text]
    if not set(found) - {_DAMAGED}:
        # Chroma seldom says that there is no space left; it fails at whatever it was doing.
        with contextlib.suppress(OSError):
            if shutil.disk_usage(location).free < _LITTLE_SPACE:
                return [full]
    return found


def close(client: Client) -> None:
    """Close a client, and the connections to a server that Chroma's own method leaves open."""
    servers = [getattr(part, "_server", None) for part in (client, client._admin_client)]
    client.close()
    for server in servers:
        if (session := getattr(server, "_session", None)) is not None:
            session.close()


class ChromaClientFactory(Protocol):
    """Collections by name, and clients to open them; a rename happens at once or not at all."""

    remote: bool
    """Whether a server holds the collections."""

    def names(self) -> list[str]:
        """Return the names of the collections here, without ledgers."""
        ...

    def location(self, name: str) -> str:
        """Return the folder or URL of a collection, for messages."""
        ...

    def state(self, name: str) -> str | None:
        """Return what tells a collection from what it is changed into; None: it is changing."""
        ...

    def inner(self, name: str) -> str:
        """Return the name by which Chroma knows the collection ``name``."""
        ...

    def lock_file(self, name: str) -> Path | None:
        """Return the lock of whoever fills the collection ``name``; None: there can be none."""
        ...

    def connect(self, name: str, *, whole: bool = False) -> Client:
        """Return a client for the collection ``name``, which need not exist yet; close it.

        Its graphs are checked, with each of their vectors if ``whole``.
        """
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


def client_factory(config: ChromaConfig | ChromaHttpConfig) -> ChromaClientFactory:
    """Return the factory for an ``index`` section."""
    return LocalChroma(config) if isinstance(config, ChromaConfig) else RemoteChroma(config)


class LocalChroma(ChromaClientFactory):
    """A folder with a Chroma database in a subfolder for each collection."""

    remote = False

    def __init__(self, config: ChromaConfig) -> None:
        self._root = config.path

    def names(self) -> list[str]:
        """Return the names of the collections here."""
        with chroma_errors(self._root):
            root = paths.IndexPaths(self._root).folder
            folders = [path for path in root.glob("*") if path.is_dir()]
            return sorted(path.name for path in folders if is_chromas(path))

    def location(self, name: str) -> str:
        """Return the folder of a collection."""
        return str(self._dir(name))

    def state(self, name: str) -> str | None:
        """Return that of the table of rows, which is written when all else is.

        An index without rows has no table, and none is changing of which there is no file.
        """
        table = paths.RowsPaths(self._dir(name))
        state = file_state(table.mark)
        files = (table.stale, *table.both, *map(table.new, table.both))
        return "" if state is None and not any(file.exists() for file in files) else state

    def inner(self, name: str) -> str:
        """Return the collection's name, which does not change when its folder is renamed."""
        return name.removesuffix(REBUILD)

    def lock_file(self, name: str) -> Path:
        """Return the lock beside the folder of a collection, which a rebuild renames."""
        return paths.IndexPaths(self._root).lock(name)

    def connect(self, name: str, *, whole: bool = False) -> Client:
        """Return a client of its own for the database of ``name``, made if it is missing."""
        import chromadb
        from chromadb.api.shared_system_client import SharedSystemClient

        folder = self._dir(name)
        with chroma_errors(str(folder), _FULL_TO_OPEN):
            if (
                folder.is_dir()
                and any(folder.iterdir())
                and not (folder / paths.CHROMA_DATABASE).is_file()
            ):
                if is_chromas(folder):
                    raise CollectionError(
                        f"{folder}: its {paths.CHROMA_DATABASE} is gone, or no file; {REBUILD_IT}"
                    )
                raise CollectionError(
                    f"{folder} is not empty and not a Chroma database; choose another index.path"
                )
            folder.mkdir(parents=True, exist_ok=True)
            check_graphs(folder, whole=whole)
            with _connecting:
                # Chroma (1.5) gives all clients of a path the graph that the first one loaded,
                # whatever another process has added since, or renamed to that path.
                path, known = str(folder), SharedSystemClient._identifier_to_system
                while path in known:
                    path += "/."
                try:
                    return cast("Client", chromadb.PersistentClient(path, _settings()))
                except BaseException:
                    # Chroma keeps what failed to start, and would hand it out the next time.
                    known.pop(path, None)
                    raise

    def check_ours(self, name: str) -> None:
        """Refuse a database with collections of something else; a damaged one may be replaced."""
        if not self._dir(name).exists():
            return
        try:
            client = self.connect(name)
        except (CollectionError, SchemaError):
            if is_chromas(self._dir(name)):
                return
            raise
        try:
            with chroma_errors(self.location(name)):
                found = client.list_collections()
            if others := sorted({c.name for c in found} - _ours(found)):
                raise CollectionError(not_ours(f"{self.location(name)}: collection {others[0]}"))
        finally:
            close(client)

    def rename(self, name: str, new: str) -> None:
        """Rename the folder of a collection."""
        with chroma_errors(self.location(name)):
            self._dir(name).rename(self._dir(new))

    def remove(self, name: str) -> None:
        """Remove the folder of a collection."""
        self.check_ours(name)
        with chroma_errors(self.location(name)), contextlib.suppress(FileNotFoundError):
            rows = paths.RowsPaths(self._dir(name))
            # first, as alone they do not tell whose folder it is once the command is killed
            unseal(self._dir(name))
            for file in (rows.mark, rows.stale, *rows.both):
                file.unlink(missing_ok=True)
            shutil.rmtree(self._dir(name))

    def _dir(self, name: str) -> Path:
        return paths.IndexPaths(self._root).collection(name)


class RemoteChroma(ChromaClientFactory):
    """A Chroma server."""

    remote = True

    def __init__(self, config: ChromaHttpConfig) -> None:
        self._config = config
        self._url = config.location()

    def names(self) -> list[str]:
        """Return the names of clipvec's collections on the server."""
        with self._errors("") as client:
            found = _ours(client.list_collections())
        return sorted(name for name in found if not name.endswith(LEDGER))

    def location(self, name: str) -> str:
        """Return the server's URL and the collection's name."""
        return self._config.location(name)

    def state(self, name: str) -> str | None:
        """Return the collection's id; rows that are added to it are found at once."""
        with self._errors(name) as client:
            return str(client.get_collection(name, embedding_function=None).id)

    def inner(self, name: str) -> str:
        """Return the name itself."""
        return name

    def lock_file(self, name: str) -> None:
        """Return None: Chroma has no lock that ends with the process that holds it."""

    def connect(self, name: str, *, whole: bool = False) -> Client:
        """Return a client of the server, whose files only itself can check."""
        import chromadb

        config, token = self._config, os.environ.get("CHROMA_TOKEN")
        # Chroma's own servers read the one, proxies in front of it the other.
        headers = {"x-chroma-token": token, "Authorization": f"Bearer {token}"} if token else {}
        try:
            with chroma_errors(self._url):
                client = chromadb.HttpClient(
                    config.host, config.port, ssl=config.ssl, headers=headers, settings=_settings()
                )
                return cast("Client", client)
        except ValueError as error:
            # Chroma's only sign of a server that is missing, or is not Chroma
            raise CollectionError(
                f"no Chroma server answers at {self._url} ({str(error)[:60].splitlines()[0]}); "
                f"start one with: chroma run --path data/chroma --port {config.port}, "
                "or change index.host and index.port"
            ) from error

    def check_ours(self, name: str) -> None:
        """Refuse a collection of something else."""
        with self._errors(name) as client:
            found = client.list_collections()
        if name in {c.name for c in found} - _ours(found):
            raise CollectionError(not_ours(self.location(name)))

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
            with chroma_errors(self.location(name)):
                yield client
        finally:
            close(client)


def _settings() -> Any:
    from chromadb.config import Settings

    return Settings(anonymized_telemetry=False)


def _ours(collections: Sequence[Collection]) -> set[str]:
    """Return the names of those collections that clipvec made.

    One that has lost its description is known by its ledger, whose name has the collection's id.
    """
    ledgers = {f"{c.id}{LEDGER}" for c in collections} & {c.name for c in collections}
    return ledgers | {
        c.name for c in collections if MARK in (c.metadata or {}) or f"{c.id}{LEDGER}" in ledgers
    }


def read_info(collection: Any, location: str) -> IndexInfo:
    """Return what a collection says of its origin.

    Raises:
        CollectionError: clipvec did not make it.
        SchemaError: another version of clipvec made it.
    """
    try:
        return IndexInfo.from_json((collection.metadata or {})[MARK], location)
    except (KeyError, TypeError, ValueError) as error:
        raise CollectionError(
            f"{not_ours(location)}; or, if it was and its description is damaged, {REBUILD_IT}"
        ) from error


def read_build_stats(collection: Any) -> BuildStats | None:
    """Return what the build took; None: several runs loaded the collection."""
    found = (collection.metadata or {}).get(BUILD_STATS)
    return BuildStats(**json.loads(str(found))) if found else None


def not_ours(location: str) -> str:
    """Return the message for a collection of another program."""
    return (
        f"{location} was not made by clipvec; choose another index.path, another server, or "
        "another dataset.name"
    )
