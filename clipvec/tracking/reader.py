"""Reads the files of runs; a run may still be in progress."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from clipvec.tracking import wandb_sdk
from clipvec.tracking.mirror import RunsFolder
from clipvec.tracking.run import ImageCell
from clipvec.tracking.run_spec import SWEEP

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = logging.getLogger(__name__)
SYSTEM_PREFIX = "system/"
"""Prefix of the names of wandb's system metrics."""
_DECODE = json.JSONDecoder().raw_decode
"""Reads a value that json.dumps wrote, of which a sweep has hundreds of thousands."""


@dataclass
class RecordedRun:
    """A run; the pieces written by a preempted job are joined."""

    id: str
    name: str
    project: str
    group: str
    job_type: str
    tags: list[str]
    folders: list[Path]
    """One per piece, oldest first."""
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    """The logged values, a dictionary with ``_step`` and ``_timestamp`` for each step."""
    system_metrics: list[dict[str, float]] = field(default_factory=list)
    """wandb's system metrics, by ``system/<name>``, with ``_timestamp``."""
    summary: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, RecordedArtifact] = field(default_factory=dict)
    """The artifacts it logged or used, by name."""
    exit_code: int | None = None
    """None: it is still running, or its machine is gone."""
    preempted: bool = False
    """Whether any piece of it was."""

    @property
    def sweep(self) -> str:
        """The sweep it belongs to, or the run itself; not its group, which users may set."""
        return str(self.config.get(SWEEP) or self.group or self.id)

    def table(self, key: str) -> list[dict[str, Any]]:
        """Return the rows of a table in the run's summary; an empty list if there is none."""
        for artifact in self.artifacts.values():
            file = artifact.files.get(f"{key}.table.json")
            if file is not None and file.is_file():
                table = json.loads(file.read_bytes())
                rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
                return [{k: _cell(v, artifact) for k, v in row.items()} for row in rows]
        return []

    def extend(self, other: RecordedRun) -> None:
        """Append the next piece of the run."""
        self.folders += other.folders
        self.config |= other.config
        self.history += other.history
        self.system_metrics += other.system_metrics
        self.summary |= other.summary
        self.artifacts |= other.artifacts
        self.exit_code = other.exit_code
        self.preempted |= other.preempted


@dataclass(frozen=True)
class RecordedArtifact:
    """An artifact of a run."""

    kind: str
    name: str
    used: bool
    """Whether the run used it as an input."""
    digest: str
    urls: list[str]
    """Its references."""
    files: dict[str, Path]
    """Its files, by name."""


def read_runs(root: str) -> list[RecordedRun]:
    """Return the runs beside the stores of a root, oldest first.

    Runs in an object store are downloaded first. Runs with nothing on disk yet are left out and
    counted in a warning.
    """
    folder = RunsFolder(root)
    folder.download()
    by_id: dict[str, RecordedRun] = {}
    empty = 0
    for file in sorted(folder.path.glob("wandb/offline-run-*/run-*.wandb"), key=_began):
        piece = read(file)
        if piece is None:
            empty += 1
        elif piece.id in by_id:
            by_id[piece.id].extend(piece)
        else:
            by_id[piece.id] = piece
    if empty:
        log.warning(
            "%s nothing on disk yet: begun minutes ago, or the machine vanished",
            "1 run has" if empty == 1 else f"{empty} runs have",
        )
    return list(by_id.values())


def _began(file: Path) -> tuple[str, float]:
    """Return when a run began, to the second from its folder's name, then by file time."""
    return file.parent.name.split("-")[2], file.stat().st_mtime


def read(file: Path) -> RecordedRun | None:
    """Return the piece of a run in a ``.wandb`` file, or None if it has none."""
    piece: RecordedRun | None = None
    last: dict[tuple[str, ...], Any] = {}
    """The summary, of which every step writes all values again."""
    for record in records(file):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = record.run
            piece = RecordedRun(
                *(run.run_id, run.display_name, run.project, run.run_group, run.job_type),
                tags=list(run.tags),
                folders=[file.parent],
            )
            _update(piece.config, run.config.update)
        elif piece is None:
            continue
        elif kind == "config":
            _update(piece.config, record.config.update)
        elif kind == "history":
            piece.history.append(_update({}, record.history.item))
        elif kind == "stats":
            piece.system_metrics.append(_system_metrics(record.stats))
        elif kind == "summary":
            last |= {(item.key, *item.nested_key): item for item in record.summary.update}
        elif kind == "artifact":
            piece.artifacts[record.artifact.name] = _artifact(record.artifact, file.parent)
        elif kind == "preempting":
            piece.preempted = True
        elif kind == "exit":
            piece.exit_code = record.exit.exit_code
    if piece is not None:
        _update(piece.summary, last.values())
    return piece


def records(file: Path) -> Iterator[Any]:
    """Yield the records of a file up to the first truncated one."""
    try:
        yield from wandb_sdk.read_records(file)
    except Exception as error:
        log.debug("%s ends early: %r", file, error)


def _update(values: dict[str, Any], items: Any) -> dict[str, Any]:
    """Put key and value pairs into ``values``, nested keys into nested dictionaries."""
    for item in items:
        *outer, last = [item.key] if item.key else list(item.nested_key)
        inner = values
        for key in outer:
            inner = inner.setdefault(key, {})
        inner[last], _ = _DECODE(item.value_json)
    return values


def _system_metrics(stats: Any) -> dict[str, float]:
    values = {f"{SYSTEM_PREFIX}{item.key}": _DECODE(item.value_json)[0] for item in stats.item}
    return values | {"_timestamp": stats.timestamp.seconds + stats.timestamp.nanos / 1e9}


def _artifact(artifact: Any, folder: Path) -> RecordedArtifact:
    entries = artifact.manifest.contents
    return RecordedArtifact(
        artifact.type,
        artifact.name,
        used=artifact.use_after_commit,
        digest=artifact.digest,
        urls=[entry.ref for entry in entries if entry.ref],
        files={entry.path: _local(entry.local_path, folder) for entry in entries if not entry.ref},
    )


def _local(path: str, folder: Path) -> Path:
    """Return the current path of a run's file, given its path on the machine that wrote it."""
    below = re.sub(rf"^.*/{re.escape(folder.name)}/", "", path)
    return folder / below


def _cell(value: object, table: RecordedArtifact) -> object:
    """Return a cell of a table, an image as `ImageCell`."""
    if not isinstance(value, dict) or value.get("_type") != "image-file":
        return value
    file = table.files.get(value["path"])
    if file is None or not file.is_file():
        return None
    return ImageCell(file.read_bytes(), value.get("caption") or "")
