"""``python -m clipvec.model.onnx.export < model.json``: export a model to ONNX in the user's cache.

`clipvec.model.onnx.encoder` runs it when there is no export yet. A message for the user goes to
stdout, everything else to stderr.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from clipvec import paths
from clipvec.config import ModelConfig, from_dict
from clipvec.errors import ClipvecError, ModelError, brief
from clipvec.model.onnx import cache
from clipvec.model.onnx.encoder import OnnxEncoder
from clipvec.model.onnx.tokenizer import convert
from clipvec.model.torch.encoder import TorchEncoder
from clipvec.model.torch.towers import ImageTower, TextTower
from clipvec.model.torch.weights import checksum, fuse, load_weights

if TYPE_CHECKING:
    from clipvec.model.encoder import Encoder
    from clipvec.model.preprocess import Preprocess
    from clipvec.model.tokens import EndOfText

LEAST_COSINE = 0.9999
"""Lowest cosine between the vectors of torch and of ONNX Runtime."""
_TEXTS = ["", "a bird", "two bicycles & a car, at night, in the rain " * 4, "of " * 200]


def main() -> None:
    """Export the model whose configuration is on stdin."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            export(from_dict(json.load(sys.stdin), ModelConfig))
    except ClipvecError as error:
        print(error)
        sys.exit(error.exit_code)


def export(config: ModelConfig) -> Path:
    """Export a model unless the export already exists, and return the folder.

    Raises:
        ModelError: it cannot be loaded, torch cannot export it, or ONNX Runtime computes
            different vectors.
    """
    model, tokenizer, preprocess = load_weights(config)
    weights = checksum(model)
    rules, converted = convert(tokenizer)
    made_of = [repr(model), preprocess.to_json(), vars(rules), converted]
    folder = paths.ExportPaths.of(weights, cache.digest(weights, *made_of)).folder
    if not paths.ExportPaths(folder).about.is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as name:
            work = Path(name) / folder.name
            work.mkdir()
            end = _write_towers(model, tokenizer(["", "a bird"]), preprocess, work)
            paths.ExportPaths(work).tokenizer.write_text(converted, encoding="utf-8")
            cache.Export(weights, preprocess, rules, end).write(work)
            plain = ModelConfig(config.name, config.arch, config.pretrained, "cpu", "fp32")
            _compare(TorchEncoder(model, tokenizer, preprocess, plain), work, config)
            try:
                work.rename(folder)
            except OSError:
                # Another process may have finished first; its export is equally good.
                if not paths.ExportPaths(folder).about.is_file():
                    raise
    cache.remember(config, folder)
    return folder


def _write_towers(
    model: Any, tokens: torch.Tensor, preprocess: Preprocess, folder: Path
) -> EndOfText | None:
    """Write both towers, traced with two texts; return where texts may be truncated."""
    fuse(model.eval().requires_grad_(False))
    batch = torch.export.Dim("batch")
    images, texts = ImageTower(model, preprocess), TextTower(model)
    pixels = torch.zeros((2, preprocess.height, preprocess.width, 3), dtype=torch.uint8)
    length = {} if texts.end is None else {1: torch.export.Dim("length", max=tokens.shape[1])}
    _write(images, pixels, {0: batch}, paths.ExportPaths(folder).tower("image"))
    _write(texts, tokens, {0: batch, **length}, paths.ExportPaths(folder).tower("text"))
    return texts.end


def _write(tower: torch.nn.Module, example: torch.Tensor, dynamic: Any, file: Path) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's exporter warns about its own internals
            torch.onnx.export(
                tower,
                (example,),
                file,
                dynamic_shapes=(dynamic,),
                output_names=["vectors"],
                dynamo=True,
                external_data=True,  # a single file is limited to 2 GB
                verbose=False,
            )
    except Exception as error:  # torch raises many classes, some with messages of many lines
        raise ModelError(
            f"torch cannot export the {file.stem} tower to ONNX ({_cause(error)}); "
            "use model.runtime=torch"
        ) from error


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {brief(str(error).strip().splitlines()[0])}"


def _compare(expected: Encoder, folder: Path, config: ModelConfig) -> None:
    """Refuse an export whose vectors differ, also for batches and lengths that were not traced."""
    found = OnnxEncoder(folder, config.arch)
    height, width = expected.preprocess.height, expected.preprocess.width
    noise = np.random.default_rng(0).integers(0, 256, (3, height, width, 3), dtype=np.uint8)
    pairs = [(expected.encode_images(noise), found.encode_images(noise))]
    pairs += [(expected.encode_texts(_TEXTS), found.encode_texts(_TEXTS))]
    pairs += [
        (np.array([mine]), np.array([other]))
        for mine, other in zip(expected.golden(), found.golden(), strict=True)
    ]
    least = min(float((mine * other).sum(axis=1).min()) for mine, other in pairs)
    if not least >= LEAST_COSINE:
        raise ModelError(
            f"model {config.name} in ONNX has vectors of cosine {least:.5f} to those of torch "
            f"(at least {LEAST_COSINE} is needed); use model.runtime=torch"
        )


if __name__ == "__main__":
    main()
