"""What the hub answers about the files of a dataset, from a dictionary."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.http_server import served

REPO = "owner/pictures"
_ASKED = re.compile(
    r"/(api/)?datasets/([^/]+)/([^/]+)(?:/(tree|resolve|revision)/([^/]+)/?(.*))?", re.DOTALL
)
"""A path of the hub: a repository, what of it, of which revision, and which file or folder."""
_NONE: Mapping[str, str] = {}


@contextmanager
def fake_hub(files: Mapping[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let `huggingface_hub` find these files, as they are at the moment, in any dataset."""
    import huggingface_hub
    from huggingface_hub import HfFileSystem

    class Hub(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            api, owner, repo, what, _, path = _ASKED.fullmatch(unquote(asked.path)).groups()
            if not api:
                self.content(files.get(path))
            elif what == "tree":
                whole = "recursive=true" in asked.query.lower()
                self.answer(json.dumps(_tree(files, path, whole)).encode())
            else:
                about = {"id": f"{owner}/{repo}", "sha": _commit(files)}
                self.answer(json.dumps(about).encode())

        do_HEAD = do_GET

        def content(self, data: bytes | None) -> None:
            if data is None:
                self.answer(b"", 404, {"X-Error-Code": "EntryNotFound"})
                return
            known = {"ETag": _blob(data), "X-Repo-Commit": _commit(files)}
            if asked := self.headers.get("Range"):
                first, _, last = asked[6:].partition("-")
                self.answer(data[int(first) : int(last or len(data)) + 1], 206, known)
            else:
                self.answer(data, 200, known)

        def answer(self, data: bytes, status: int = 200, more: Mapping[str, str] = _NONE) -> None:
            self.send_response(status)
            for name, value in {**more, "Content-Length": f"{len(data)}"}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with served(Hub) as url, monkeypatch.context() as patched:
        patched.setattr(huggingface_hub.constants, "ENDPOINT", url)
        resolve = f"{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        patched.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", resolve)
        patched.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        HfFileSystem.clear_instance_cache()
        yield
    HfFileSystem.clear_instance_cache()


@contextmanager
def fake_hub_of_datasets(
    files: Mapping[str, bytes], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Let the package `datasets` find it too, with caches of its own."""
    import datasets
    import huggingface_hub

    with fake_hub(files, monkeypatch), monkeypatch.context() as patched:
        patched.setattr(huggingface_hub.constants, "HF_HUB_CACHE", f"{cache}/hub")
        patched.setattr(datasets.config, "HF_ENDPOINT", huggingface_hub.constants.ENDPOINT)
        patched.setattr(datasets.config, "HF_HUB_OFFLINE", False)
        keep_caches(cache, patched)
        yield


def keep_caches(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the package `datasets` keep what it reads in a folder."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    monkeypatch.setattr(datasets.config, "DOWNLOADED_DATASETS_PATH", cache / "downloads")
    monkeypatch.setattr(datasets.config, "EXTRACTED_DATASETS_PATH", cache / "extracted")
    datasets.disable_progress_bars()


def _tree(files: Mapping[str, bytes], folder: str, whole: bool) -> list[dict[str, object]]:
    """Return what is in a folder, below its folders too if it is to be the ``whole``."""
    found: dict[str, dict[str, object]] = {}
    for name, data in sorted(files.items()):
        start = f"{folder}/" if folder else ""
        if not name.startswith(start):
            continue
        parts = name.removeprefix(start).split("/")
        for depth in range(1, len(parts) if whole else min(2, len(parts))):
            path = start + "/".join(parts[:depth])
            found[path] = {"type": "directory", "path": path, "oid": "0" * 40, "size": 0}
        if whole or len(parts) == 1:
            found[name] = {"type": "file", "path": name, "size": len(data), "oid": _blob(data)}
    return [*found.values()]


def _blob(data: bytes) -> str:
    """Return the name that git gives a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _commit(files: Mapping[str, bytes]) -> str:
    """Return the revision that these files are."""
    known = sorted((name, _blob(data)) for name, data in files.items())
    return hashlib.sha1(repr(known).encode()).hexdigest()
