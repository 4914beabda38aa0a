"""What a worker process has to measure, and what identifies its result."""

from __future__ import annotations

import importlib.metadata
import math
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003
from typing import Any

from pydantic import TypeAdapter, ValidationError

from clipvec import files, version
from clipvec.config import IndexConfig, MeasureConfig, SystemConfig  # noqa: TC001
from clipvec.errors import one_line
from clipvec.machine import processor
from clipvec.recall.results import SystemResult
from clipvec.recall.timing import ROUNDS

_PACKAGES = ("faiss-cpu", "chromadb", "numpy")


@dataclass(frozen=True)
class MeasureTask:
    """One system to build and measure."""

    name: str
    system: SystemConfig
    store: str
    rows: str
    """`Rows.digest`: by what the workload numbers its rows."""
    index: IndexConfig
    collection: str
    options: MeasureConfig
    seconds: float
    """Of one timing."""
    threads: int
    workload: Path
    """Folder of the workload."""
    scratch: Path
    """Folder for what is removed afterwards."""
    result_file: Path

    @property
    def steps(self) -> int:
        """Steps that the process reports: the build, and every round of every setting."""
        return 1 + ROUNDS * num_settings(self.system)

    def skipped(self, reason: str, factory: str | None = None) -> SystemResult:
        """Return the system as one that was not measured."""
        about = self.system.about()
        if factory:
            about["factory"] = factory
        return SystemResult(self.name, skipped=one_line(reason), **about)

    def write(self, file: Path) -> None:
        """Write the task as JSON."""
        file.write_bytes(TypeAdapter(MeasureTask).dump_json(self, indent=1))

    @classmethod
    def read(cls, file: Path) -> MeasureTask:
        """Return what `write` wrote."""
        return TypeAdapter(cls).validate_json(file.read_bytes())

    def result(self) -> SystemResult | None:
        """Return the result that this run or an earlier one left, if there is one."""
        try:
            return TypeAdapter(SystemResult).validate_json(self.result_file.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None


def num_settings(system: SystemConfig) -> int:
    """Return the number of combinations of a system's search parameters."""
    return math.prod(len(values) for values in system.sweep.values())


def digest(**parts: Any) -> str:
    """Return what identifies a result: all that it depends on, the machine and the code too."""
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    here = {"processor": processor(), "clipvec": version.version(), "versions": versions}
    known = TypeAdapter(dict[str, Any]).dump_python({**parts, **here}, mode="json")
    return files.digest(known)[:16]
