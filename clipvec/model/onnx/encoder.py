"""A model run by ONNX Runtime; torch is not imported."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec import paths
from clipvec.errors import ConfigError, ModelError, brief
from clipvec.extras import require
from clipvec.model.encoder import Encoder
from clipvec.model.onnx import cache
from clipvec.model.tokens import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from clipvec.config import ModelConfig

log = logging.getLogger(__name__)
_ERRORS_ALONE = 3


class OnnxEncoder(Encoder):
    """Images and texts to vectors, by ONNX Runtime on the CPU in fp32.

    Args:
        folder: what `clipvec.model.onnx.export` wrote.
        arch: its open_clip architecture, or ``sample``.
    """

    device = "cpu"
    precision = "fp32"

    def __init__(self, folder: Path, arch: str) -> None:
        export = cache.Export.read(folder)
        self.arch = arch
        self.preprocess = export.preprocess
        self.weights = export.weights
        self.end_of_text = export.end
        files = paths.ExportPaths(folder)
        self._tokenizer = Tokenizer(files.tokenizer, export.rules)
        self._image_tower = _session(files.tower("image"))
        self._text_tower = _session(files.tower("text"))

    @classmethod
    def load(cls, config: ModelConfig) -> OnnxEncoder:
        """Return the encoder that ``config`` names, exporting it first if necessary.

        Raises:
            ModelError: packages are missing, the model cannot be loaded or exported, or
                ``config`` asks for something that ONNX Runtime does not do here.
        """
        _check(config)
        require("model.runtime=onnx", "onnx", "onnxruntime", "tokenizers")
        folder = cache.find(config)
        if folder is None:
            # before the other process loads torch and the model
            require("model.runtime=onnx", "onnx", "onnx", "onnxscript")
            folder = _export(config)
        return cls(folder, config.arch)

    def encode_images(self, pixels: np.ndarray) -> np.ndarray:
        """Return uint8 [N, H, W, 3] from `preprocess` as float32 [N, D], unit length."""
        return _run(self._image_tower, pixels)

    def tokenize(self, texts: Sequence[str]) -> np.ndarray:
        """Return the padded token ids of texts: int64 [N, L]."""
        return self._tokenizer(texts)

    def encode_tokens(self, tokens: np.ndarray) -> np.ndarray:
        """Return token ids, int64 [N, L], as float32 [N, D], unit length."""
        return _run(self._text_tower, tokens)


def _check(config: ModelConfig) -> None:
    allowed = {"device": ("auto", "cpu"), "precision": ("auto", "fp32"), "compile": (False,)}
    for field, values in allowed.items():
        given = getattr(config, field)
        if given not in values:
            raise ConfigError(
                f"model.{field}={given} does not work with model.runtime=onnx, which runs on the "
                f"CPU in fp32; use model.{field}={str(values[0]).lower()}, or model.runtime=torch"
            )


def _export(config: ModelConfig) -> Path:
    """Export in a separate process, so that torch takes no memory in this one."""
    from clipvec.config import to_dict

    # A warning, so that it shows at the default log level: the wait is long, and happens once.
    log.warning("converting model %s to ONNX; this happens only once", config.name)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "clipvec.model.onnx.export"],
        input=json.dumps(to_dict(config)),
        capture_output=True,
        text=True,
        check=False,
    )
    folder = cache.find(config)
    if done.returncode == 0 and folder is not None:
        return folder
    if done.stdout:
        kind = ConfigError if done.returncode == ConfigError.exit_code else ModelError
        raise kind(done.stdout.strip())
    lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    raise ModelError(
        f"model {config.name} could not be exported to ONNX: {brief(lines[-1])}; "
        "use model.runtime=torch"
    )


def _session(file: Path) -> Any:
    # Its builds send telemetry to Microsoft unless this is set before the import.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ALONE
    # Set explicitly, so ONNX Runtime does not try to pin threads to cores it may not use.
    options.intra_op_num_threads = _cores()
    # Threads that wait for the next query would keep their cores busy.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(file, options, ["CPUExecutionProvider"])
    except Exception as error:  # its exception classes are private
        reason = brief(str(error).splitlines()[0])
        raise ModelError(
            f"{file} cannot be used ({reason}); delete {file.parent} and it will be rebuilt"
        ) from error


def _run(session: Any, batch: np.ndarray) -> np.ndarray:
    (given,) = session.get_inputs()
    vectors: np.ndarray = session.run(None, {given.name: np.ascontiguousarray(batch)})[0]
    return vectors


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
