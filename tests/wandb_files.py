"""What the files of offline runs hold, read with wandb's own reader."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Recorded:
    """One run as its file has it."""

    folder: Path
    run: Any = None
    """wandb's RunRecord."""
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    artifacts: list[Any] = field(default_factory=list)
    """wandb's ArtifactRecords."""
    exit_code: int | None = None
    preempted: bool = False

    def table(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a table that the run shows, as its artifact has them."""
        wanted = f"{name}.table.json"
        (file,) = {
            entry.local_path
            for artifact in self.artifacts
            for entry in artifact.manifest.contents
            if entry.path == wanted
        }
        table = json.loads(Path(file).read_text())
        return [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]

    def artifact(self, name: str) -> Any:
        (found,) = [a for a in self.artifacts if a.name == name]
        return found


def recorded(root: Path) -> list[Recorded]:
    """Return the runs below ``root``, the oldest first."""
    files = sorted(root.glob("wandb/*/*.wandb"), key=lambda file: file.stat().st_mtime_ns)
    return [read(file) for file in files]


def read(file: Path) -> Recorded:
    found = Recorded(file.parent)
    for record in records(file):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            found.run = record.run
            _take(found.config, record.run.config.update)
        elif kind == "config":
            _take(found.config, record.config.update)
        elif kind == "history":
            found.history.append(_take({}, record.history.item))
        elif kind == "summary":
            _take(found.summary, record.summary.update)
        elif kind == "artifact":
            found.artifacts.append(record.artifact)
        elif kind == "preempting":
            found.preempted = True
        elif kind == "exit":
            found.exit_code = record.exit.exit_code
    return found


def records(file: Path) -> Iterator[Any]:
    from wandb.proto.wandb_internal_pb2 import Record
    from wandb.sdk.internal.datastore import DataStore

    store = DataStore()
    store.open_for_scan(str(file))
    try:
        while (data := store.scan_data()) is not None:
            record = Record()
            record.ParseFromString(data)
            yield record
    finally:
        store._fp.close()


def _take(found: dict[str, Any], items: Any) -> dict[str, Any]:
    """Put key and value pairs into ``found``, those of nested keys into dictionaries of it."""
    for item in items:
        *outer, last = [item.key] if item.key else list(item.nested_key)
        inner = found
        for key in outer:
            inner = inner.setdefault(key, {})
        inner[last] = json.loads(item.value_json)
    return found
