"""ONNX Runtime produces the same vectors as torch."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clipvec import model, paths
from clipvec.config import ModelConfig
from clipvec.errors import ConfigError, ModelError
from clipvec.model.encoder import Encoder
from clipvec.model.onnx import cache, export
from clipvec.model.onnx import encoder as onnx_encoder
from clipvec.model.onnx.encoder import OnnxEncoder

TEXTS = ["a cat", "", "two dogs & a bird, at night \U0001f600", "over water " * 9, "of " * 200]


@pytest.fixture
def tiny(tiny_weights: Path, exports: Path, monkeypatch: pytest.MonkeyPatch) -> ModelConfig:
    """The small model for ONNX Runtime, already exported."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(exports))
    return ModelConfig("tiny", "local", f"local-dir:{tiny_weights}", runtime="onnx")


@pytest.fixture(scope="module")
def by_torch(tiny_weights: Path) -> Encoder:
    return model.load_encoder(
        ModelConfig("t", "local", f"local-dir:{tiny_weights}", precision="fp32")
    )


def least_cosine(one: np.ndarray, other: np.ndarray) -> float:
    assert one.dtype == other.dtype == np.float32
    assert one.shape == other.shape
    return float((one * other).sum(axis=1).min())


def test_vectors_match_torch(tiny: ModelConfig, by_torch: Encoder) -> None:
    encoder = model.load_encoder(tiny)
    assert isinstance(encoder, OnnxEncoder)
    assert (encoder.weights, encoder.preprocess) == (by_torch.weights, by_torch.preprocess)
    assert (encoder.arch, encoder.dim, encoder.device) == ("local", 64, "cpu")
    pixels = np.random.default_rng(0).integers(0, 256, (9, 64, 64, 3), dtype=np.uint8)
    for count in (1, 2, 9):
        images = encoder.encode_images(pixels[:count])
        assert least_cosine(images, by_torch.encode_images(pixels[:count])) > 0.9999
        texts = encoder.encode_texts(TEXTS[:count])
        assert least_cosine(texts, by_torch.encode_texts(TEXTS[:count])) > 0.9999
    assert encoder.encode_texts([]).shape == (0, 64)
    for mine, other in zip(encoder.probe(), by_torch.golden(), strict=True):
        assert np.dot(mine, other) > 0.9999


def test_short_texts_take_short_passes(tiny: ModelConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, shapes = model.load_encoder(tiny), []
    run = onnx_encoder._run
    monkeypatch.setattr(onnx_encoder, "_run", lambda s, b: (shapes.append(b.shape), run(s, b))[1])
    encoder.encode_texts(TEXTS)
    assert shapes == [(3, 16), (1, 29), (1, 77)]


def test_the_first_load_exports(tiny: ModelConfig, exports: Path) -> None:
    """And leaves nothing else, such as the device identifier of ONNX Runtime's telemetry."""
    folder = cache.find(tiny)
    assert folder is not None
    assert sorted(path.name for path in paths.ExportPaths.cache().iterdir()) == [
        folder.name,
        "sources",
    ]
    assert [path.name for path in exports.iterdir()] == ["clipvec"]


def test_moved_weights_are_not_exported_again(
    tiny: ModelConfig, tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = ModelConfig(
        "copy", "local", f"local-dir:{shutil.copytree(tiny_weights, tmp_path / 'x')}"
    )
    assert cache.find(copy) is None
    monkeypatch.setattr(export, "_write_towers", None)
    assert export.export(copy) == cache.find(tiny) == cache.find(copy)
    (tmp_path / "x" / "open_clip_pytorch_model.bin").touch()
    assert cache.find(copy) is None


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("device", "cuda", "model.device=cuda does not work with model.runtime=onnx"),
        ("precision", "bf16", "use model.precision=auto, or model.runtime=torch"),
        ("compile", True, "use model.compile=false, or model.runtime=torch"),
    ],
)
def test_unsupported_options_are_refused(field: str, value: object, message: str) -> None:
    asked = ModelConfig("x", "sample", "sample", runtime="onnx", **{field: value})  # type: ignore[arg-type]
    with pytest.raises(ConfigError) as error:
        model.load_encoder(asked)
    assert message in str(error.value)


@pytest.mark.parametrize("package", ["tokenizers", "onnxscript"])
def test_a_missing_package_is_named_before_anything_is_loaded(
    tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # nothing was converted before
    monkeypatch.delattr(onnx_encoder, "_export")
    monkeypatch.setitem(sys.modules, package, None)
    asked = ModelConfig("x", "local", f"local-dir:{tiny_weights}", runtime="onnx")
    with pytest.raises(ConfigError, match=rf"needs the package {package}.*'clipvec\[onnx\]'"):
        model.load_encoder(asked)


def test_unavailable_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are refused before an export begins."""
    monkeypatch.setattr(onnx_encoder, "_export", None)
    with pytest.raises(ModelError) as error:
        model.load_encoder(ModelConfig("x", "local", "local-dir:/nope", runtime="onnx"))
    said = "/nope is not a folder with an open_clip_config.json"
    assert str(error.value) == f"model.pretrained='local-dir:/nope': {said}"


@pytest.fixture
def no_other_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An export runs in this process, which has imported torch; the one of `exports` does not."""

    def run(command: list[str], *, input: str, **_: Any) -> subprocess.CompletedProcess[str]:
        assert command == [sys.executable, "-P", "-m", export.__name__]
        monkeypatch.setattr(sys, "stdin", io.StringIO(input))
        with pytest.raises(SystemExit) as ended:
            export.main()
        assert isinstance(ended.value.code, int)
        return subprocess.CompletedProcess(command, ended.value.code, *capsys.readouterr())

    monkeypatch.setattr(subprocess, "run", run)


@pytest.mark.usefixtures("no_other_process")
def test_the_class_of_an_error_comes_from_the_other_process(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^model\.arch='nope' is not an architecture"):
        onnx_encoder._export(ModelConfig("x", "nope", "nope", runtime="onnx"))
    with pytest.raises(ModelError, match=rf"^model\.pretrained='local-dir:{tmp_path}': "):
        onnx_encoder._export(ModelConfig("x", "local", f"local-dir:{tmp_path}", runtime="onnx"))


def test_a_damaged_export(
    tiny: ModelConfig, exports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(exports / "clipvec", tmp_path / "clipvec")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = cache.find(tiny)
    assert folder is not None
    paths.ExportPaths(folder).tower("text").write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"text\.onnx cannot be used .*delete .*rebuilt"):
        model.load_encoder(tiny)


def test_an_export_with_different_vectors_is_refused(
    tiny: ModelConfig, by_torch: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = cache.find(tiny)
    assert folder is not None
    export._compare(by_torch, folder, tiny)
    encode = by_torch.encode_images
    monkeypatch.setattr(by_torch, "encode_images", lambda pixels: encode(pixels[..., ::-1].copy()))
    with pytest.raises(ModelError, match=r"in ONNX has vectors of cosine .* to those of torch"):
        export._compare(by_torch, folder, tiny)
