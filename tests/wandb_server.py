"""A local server that accepts runs, views and reports like wandb's.

It is a fake, since wandb's own is a Docker image, which does not run here. It does not parse
GraphQL: it dispatches on operation names, and tests compare the queries with wandb's.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Refused(Exception):
    """An error response: with status 200 a GraphQL error, otherwise also an HTTP error."""

    def __init__(self, message: str, status: int = 200) -> None:
        super().__init__(message)
        self.status = status


class WandbServer:
    """The uploaded runs, and the saved views and reports of projects."""

    def __init__(self) -> None:
        self.history: dict[str, list[dict[str, Any]]] = defaultdict(list)
        """The points of each run, in the order of the lines of its history file."""
        self.groups: dict[str, str] = {}
        self.operations: list[str] = []
        self.artifacts: list[str] = []
        self.entity: str | None = "me"
        """The user of the key; None: unknown key."""
        self.projects: list[tuple[str, str]] = []
        self.views: dict[str, dict[str, Any]] = {}
        """Saved views and reports by id, in their latest version."""
        self.refusal: Refused | None = None
        """Response to every operation, if set."""
        self.page = 50
        """Maximum number of views per page."""
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
        if self.refusal:
            raise self.refusal
        if operation in self.of_views:
            return self.of_views[operation](given)
        bucket = {
            "id": "bucket",
            "name": given.get("name"),
            "displayName": given.get("name"),
            "config": "{}",
            "summaryMetrics": "{}",
            "project": {"id": "project", "name": "clipvec", "entity": {"id": "e", "name": "me"}},
        }
        if operation == "UpsertBucket":
            if given["groupName"]:  # later updates omit unchanged values
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

    @property
    def of_views(self) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        """Handlers of views, projects and the user, by operation name."""
        return {
            "GetDefaultEntity": lambda _: {
                "viewer": self.entity and {"id": "u", "entity": self.entity}
            },
            "ProjectInternalId": self._project,
            "CreateProject": self._create,
            "ProjectViews": self._list,
            "upsertView": self._upsert,
        }

    def _project(self, given: dict[str, Any]) -> dict[str, Any]:
        wanted = (given["entityName"], given["projectName"])
        known = wanted in self.projects
        number = str(1000 + self.projects.index(wanted)) if known else ""
        return {"project": {"id": f"relay-{number}", "internalId": number} if known else None}

    def _create(self, given: dict[str, Any]) -> dict[str, Any]:
        entity, name = given["input"]["entityName"], given["input"]["name"]
        if entity != self.entity:
            raise Refused(f"entity {entity} not found during upsertModel")
        self.projects.append((entity, name))
        return {"upsertModel": {"project": {"id": "relay"}, "inserted": True}}

    def _list(self, given: dict[str, Any]) -> dict[str, Any]:
        found = [
            {"id": id_, "createdAt": f"2026-01-01T00:00:{number:02d}"}
            | {key: view[key] for key in ("name", "displayName", "spec")}
            for number, (id_, view) in enumerate(self.views.items())
            if (view["entityName"], view["projectName"]) == (given["entity"], given["project"])
            and view["type"] == given["viewType"]
            and given["viewName"] in (None, view["name"])
        ]
        first = int(given["reportCursor"] or 0)
        last = first + min(self.page, given["reportLimit"])
        edges = [
            {"node": node, "cursor": str(first + number)}
            for number, node in enumerate(found[first:last], 1)
        ]
        views = {"edges": edges, "pageInfo": {"hasNextPage": last < len(found)}}
        return {"project": {"allViews": views}}

    def _upsert(self, given: dict[str, Any]) -> dict[str, Any]:
        id_ = given.get("id")
        if id_ is not None and id_ not in self.views:
            raise Refused(f"view {id_} not found")
        id_ = id_ or f"VmlldzoxMDA{len(self.views)}=="
        self.views[id_] = {key: value for key, value in given.items() if key != "id"}
        return {"upsertView": {"view": {"id": id_, "name": given["name"]}}}

    def _resumable(self, run: str, bucket: dict[str, Any]) -> dict[str, Any] | None:
        lines = self.history.get(run)
        if lines is None:
            return None
        tails = {name: json.dumps([json.dumps(lines[-1])]) for name in ("history", "events")}
        counts = {"historyLineCount": len(lines), "eventsLineCount": 0, "logLineCount": 0}
        last = {f"{name}Tail": tail for name, tail in tails.items()}
        last["wandbConfig"] = json.dumps({"t": 1})  # confirms that the run has started
        return {"bucket": bucket | counts | last, "id": "project", "name": "clipvec"}


class _Http(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Ignore clients that hang up."""


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
            operation = body.get("operationName") or _operation(body["query"])
            try:
                self._reply({"data": self.wandb.answer(operation, given)})
            except Refused as refused:
                errors = [{"message": str(refused), "path": [operation]}]
                self._reply({"data": None, "errors": errors}, refused.status)
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

    def _reply(self, values: dict[str, Any], status: int = 200) -> None:
        data = json.dumps(values).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _operation(query: str) -> str:
    """Return the operation name in a query; wandb's Python clients send it nowhere else."""
    named = re.match(r"\s*(?:query|mutation)\s+(\w+)", query)
    assert named, query
    return named[1]
