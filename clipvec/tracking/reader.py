"""What the files of runs hold, read with wandb's own reader; a run may still go on."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from clipvec.tracking.job import SWEEP
from clipvec.tracking.mirror import Place
from clipvec.tracking.run import Picture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = logging.getLogger(__name__)
SYSTEM = "system/"
"""What names of wandb's own measurements of the machine begin with."""


@dataclass
class Recorded:
    """A run; the pieces that a preempted job wrote are one."""

    id: str
    name: str
    project: str
    group: str
    job_type: str
    tags: list[str]
    folders: list[Path]
    """One a piece, the oldest first."""
    config: dict[str, Any] = field(default_factory=dict)
    points: list[dict[str, Any]] = field(default_factory=list)
    """What was logged, a dictionary with ``_step`` and ``_timestamp`` for each step."""
    machine: list[dict[str, float]] = field(default_factory=list)
    """wandb's own measurements, by ``system/<name>``, with ``_timestamp``."""
    summary: dict[str, Any] = field(default_factory=dict)
    made: dict[str, Made] = field(default_factory=dict)
    """The artifacts that it made or used, by name."""
    exit_code: int | None = None
    """None: it runs still, or its machine vanished."""
    preempted: bool = False
    """Whether a piece of it was."""

    @property
    def sweep(self) -> str:
        """The sweep that it belongs to, or the run itself; its group is the user's to choose."""
        return str(self.config.get(SWEEP) or self.group or self.id)

    def table(self, key: str) -> list[dict[str, Any]]:
        """Return the rows of a table that the run shows, none where it shows none."""
        for artifact in self.made.values():
            file = artifact.files.get(f"{key}.table.json")
            if file is not None and file.is_file():
                table = json.loads(file.read_bytes())
                rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
                return [{k: _cell(v, artifact) for k, v in row.items()} for row in rows]
        return []

    def add(self, other: Recorded) -> None:
        """Take over the piece that was written next."""
        self.folders += other.folders
        self.config |= other.config
        self.points += other.points
        self.machine += other.machine
        self.summary |= other.summary
        self.made |= other.made
        self.exit_code = other.exit_code
        self.preempted |= other.preempted


@dataclass(frozen=True)
class Made:
    """An artifact of a run."""

    kind: str
    name: str
    used: bool
    """Whether it was read, not made."""
    digest: str
    urls: list[str]
    """What it refers to."""
    files: dict[str, Path]
    """What it holds, by name."""


def runs(root: str) -> list[Recorded]:
    """Return the runs beside the stores of a root, the oldest first.

    Runs that are kept in an object store are brought here first. Those that have nothing on disk
    yet are left out, and counted in a warning.
    """
    place = Place(root)
    place.bring()
    found: dict[str, Recorded] = {}
    empty = 0
    for file in sorted(place.folder.glob("wandb/offline-run-*/run-*.wandb"), key=_began):
        piece = read(file)
        if piece is None:
            empty += 1
        elif piece.id in found:
            found[piece.id].add(piece)
        else:
            found[piece.id] = piece
    if empty:
        log.warning(
            "%s nothing on disk yet: begun minutes ago, or the machine vanished",
            "1 run has" if empty == 1 else f"{empty} runs have",
        )
    return list(found.values())


def _began(file: Path) -> tuple[str, float]:
    """Return when a run began, as its folder's name has it to the second."""
    return file.parent.name.split("-")[2], file.stat().st_mtime


def read(file: Path) -> Recorded | None:
    """Return the piece of a run that a ``.wandb`` file holds, None where it holds none."""
    found: Recorded | None = None
    for record in records(file):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = record.run
            found = Recorded(
                *(run.run_id, run.display_name, run.project, run.run_group, run.job_type),
                tags=list(run.tags),
                folders=[file.parent],
            )
            _take(found.config, run.config.update)
        elif found is None:
            continue
        elif kind == "config":
            _take(found.config, record.config.update)
        elif kind == "history":
            found.points.append(_take({}, record.history.item))
        elif kind == "stats":
            found.machine.append(_measured(record.stats))
        elif kind == "summary":
            _take(found.summary, record.summary.update)
        elif kind == "artifact":
            found.made[record.artifact.name] = _made(record.artifact, file.parent)
        elif kind == "preempting":
            found.preempted = True
        elif kind == "exit":
            found.exit_code = record.exit.exit_code
    return found


def records(file: Path) -> Iterator[Any]:
    """Yield the records of a file, up to where one that was cut short begins."""
    from wandb.proto.wandb_internal_pb2 import Record
    from wandb.sdk.internal.datastore import DataStore

    store = DataStore()
    try:
        store.open_for_scan(str(file))
        while (data := store.scan_data()) is not None:
            record = Record()
            record.ParseFromString(data)
            yield record
    except Exception as error:  # the reader asserts, or raises what its parser does
        log.debug("%s ends early: %r", file, error)
    finally:
        if store._fp is not None:
            store._fp.close()  # which the reader itself has no method for


def _take(found: dict[str, Any], items: Any) -> dict[str, Any]:
    """Put key and value pairs into ``found``, those of nested keys into dictionaries of it."""
    for item in items:
        *outer, last = [item.key] if item.key else list(item.nested_key)
        inner = found
        for key in outer:
            inner = inner.setdefault(key, {})
        inner[last] = json.loads(item.value_json)
    return found


def _measured(stats: Any) -> dict[str, float]:
    values = {f"{SYSTEM}{item.key}": json.loads(item.value_json) for item in stats.item}
    return values | {"_timestamp": stats.timestamp.seconds + stats.timestamp.nanos / 1e9}


def _made(artifact: Any, folder: Path) -> Made:
    entries = artifact.manifest.contents
    return Made(
        artifact.type,
        artifact.name,
        used=artifact.use_after_commit,
        digest=artifact.digest,
        urls=[entry.ref for entry in entries if entry.ref],
        files={entry.path: _here(entry.local_path, folder) for entry in entries if not entry.ref},
    )


def _here(path: str, folder: Path) -> Path:
    """Return where a file of a run lies now, whose path is that of the machine that wrote it."""
    below = re.sub(rf"^.*/{re.escape(folder.name)}/", "", path)
    return folder / below


def _cell(value: object, table: Made) -> object:
    """Return a cell of a table, a picture as `Picture`."""
    if not isinstance(value, dict) or value.get("_type") != "image-file":
        return value
    file = table.files.get(value["path"])
    if file is None or not file.is_file():
        return None
    return Picture(file.read_bytes(), value.get("caption") or "")
