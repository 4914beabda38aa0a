"""What a contestant's process is told, and by what its result is known."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003
from typing import Any, Literal

from pydantic import TypeAdapter

from clipvec import version
from clipvec.config import ContestantConfig, FaissContestant, IndexConfig, MeasureConfig
from clipvec.errors import one_line
from clipvec.machine import processor
from clipvec.recall.results import Contestant

_PACKAGES = ("faiss-cpu", "chromadb", "numpy")


@dataclass(frozen=True)
class Job:
    """One contestant to build and measure."""

    name: str
    contestant: ContestantConfig
    store: str
    index: IndexConfig
    collection: str
    options: MeasureConfig
    seconds: float
    """Of one timing."""
    threads: int
    exam: Path
    """Folder of the exam."""
    scratch: Path
    """Folder for what is removed afterwards."""
    result: Path

    def refused(self, why: str, factory: str | None = None) -> Contestant:
        """Return the contestant as one that was not measured."""
        kind: Literal["faiss", "chroma"] = "chroma"
        words, parameters, training = "HNSW", {}, {}
        if isinstance(self.contestant, FaissContestant):
            kind, words = "faiss", self.contestant.factory
            parameters, training = self.contestant.build, self.contestant.training
        return Contestant(
            self.name,
            kind,
            factory or words,
            refused=one_line(why),
            build_parameters=parameters,
            training=training,
        )

    def write(self, file: Path) -> None:
        """Write the job as JSON."""
        file.write_bytes(TypeAdapter(Job).dump_json(self, indent=1))

    @classmethod
    def read(cls, file: Path) -> Job:
        """Return what `write` wrote."""
        return TypeAdapter(cls).validate_json(file.read_bytes())


def digest(**parts: Any) -> str:
    """Return by what a result is known: all that it depends on, the machine and the code too."""
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    here = {"processor": processor(), "clipvec": version.version(), "versions": versions}
    known = {**parts, **here}
    text = json.dumps(TypeAdapter(dict[str, Any]).dump_python(known, mode="json"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
