"""What the hub answers about the files of a dataset, from a dictionary."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote, urlsplit

import pytest

from tests.http_server import served

REPO = "owner/pictures"


@contextmanager
def fake_hub(files: Mapping[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let `huggingface_hub` find a dataset `REPO` of these files, as they are at the moment."""
    import huggingface_hub
    from huggingface_hub import HfFileSystem

    class Hub(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            path, tree = unquote(asked.path), f"/api/datasets/{REPO}/tree/main"
            if path.startswith(tree):
                whole = "recursive=true" in asked.query.lower()
                self.answer(json.dumps(_tree(files, path.removeprefix(tree)[1:], whole)).encode())
            elif path.startswith(f"/api/datasets/{REPO}"):
                self.answer(json.dumps({"id": REPO, "sha": "0" * 40}).encode())
            else:
                self.content(files.get(path.removeprefix(f"/datasets/{REPO}/resolve/main/")))

        def content(self, data: bytes | None) -> None:
            if data is None:
                self.answer(b"", 404)
                return
            first, _, last = self.headers.get("Range", "bytes=0-")[6:].partition("-")
            self.answer(data[int(first) : int(last or len(data)) + 1], 206)

        def answer(self, data: bytes, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Length", f"{len(data)}")
            self.end_headers()
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
            blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            found[name] = {"type": "file", "path": name, "size": len(data), "oid": blob}
    return [*found.values()]
