"""Reads the files of runs, one piece of a run per file."""

from __future__ import annotations

from pathlib import Path

from clipvec.tracking.reader import RecordedRun, read


def recorded(root: Path) -> list[RecordedRun]:
    """Return the runs below ``root``, oldest first; pieces of the same run are not joined."""
    files = sorted(root.glob("wandb/*/*.wandb"), key=lambda file: file.stat().st_mtime_ns)
    return [run for run in map(read, files) if run is not None]
