"""A server on this machine that takes runs as wandb's does, as far as uploads go."""

from __future__ import annotations

import gzip
import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class WandbServer:
    """The runs that were uploaded to it."""

    def __init__(self) -> None:
        self.history: dict[str, list[dict[str, Any]]] = defaultdict(list)
        """The points of each run, in the order of the lines of its history file."""
        self.groups: dict[str, str] = {}
        self.operations: list[str] = []
        self.artifacts: list[str] = []
        handler = type("Handler", (_Handler,), {"wandb": self})
        self._http = _Http(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    @contextmanager
    def serving(self) -> Iterator[WandbServer]:
        thread = threading.Thread(target=self._http.serve_forever)
        thread.start()
        yield self
        self._http.shutdown()
        thread.join()
        self._http.server_close()

    def answer(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        """Return the ``data`` of a GraphQL operation."""
        self.operations.append(operation)
        bucket = {
            "id": "bucket",
            "name": given.get("name"),
            "displayName": given.get("name"),
            "config": "{}",
            "summaryMetrics": "{}",
            "project": {"id": "project", "name": "clipvec", "entity": {"id": "e", "name": "me"}},
        }
        if operation == "UpsertBucket":
            if given["groupName"]:  # later changes leave out what stays
                self.groups[str(given["name"])] = given["groupName"]
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if operation == "RunResumeStatus":
            return {"model": self._resumable(str(given["name"]), bucket)}
        if operation == "CreateArtifact":
            self.artifacts.append(given["input"]["artifactCollectionName"])
            sequence = {"id": "sequence", "latestArtifact": None}
            artifact = {"id": "artifact", "state": "COMMITTED", "artifactSequence": sequence}
            return {"createArtifact": {"artifact": artifact}}
        if operation == "UseArtifact":
            return {"useArtifact": {"artifact": {"id": "artifact"}}}
        if operation == "CreateRunFiles":
            files = [{"name": f, "uploadUrl": f"{self.url}/{f}"} for f in given["files"]]
            return {"createRunFiles": {"runID": "bucket", "uploadHeaders": [], "files": files}}
        return {"serverInfo": {"features": []}}

    def _resumable(self, run: str, bucket: dict[str, Any]) -> dict[str, Any] | None:
        lines = self.history.get(run)
        if lines is None:
            return None
        tails = {name: json.dumps([json.dumps(lines[-1])]) for name in ("history", "events")}
        counts = {"historyLineCount": len(lines), "eventsLineCount": 0, "logLineCount": 0}
        last = {f"{name}Tail": tail for name, tail in tails.items()}
        last["wandbConfig"] = json.dumps({"t": 1})  # which says that the run did begin
        return {"bucket": bucket | counts | last, "id": "project", "name": "clipvec"}


class _Http(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    wandb: WandbServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Be quiet."""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._reply({})

    def do_POST(self) -> None:
        body = self._body()
        if self.path == "/graphql":
            given = body.get("variables") or {}
            self._reply({"data": self.wandb.answer(body["operationName"], given)})
            return
        run = self.path.split("/")[-2]
        written = body.get("files", {}).get("wandb-history.jsonl")
        if written:
            lines = self.wandb.history[run]
            del lines[written["offset"] :]
            lines += map(json.loads, written["content"])
        self._reply({})

    def _body(self) -> dict[str, Any]:
        data = b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            data = gzip.decompress(data)
        return dict(json.loads(data))

    def _reply(self, values: dict[str, Any]) -> None:
        data = json.dumps(values).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
