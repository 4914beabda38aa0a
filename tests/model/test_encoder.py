from __future__ import annotations

import functools
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from clipvec import model
from clipvec.config import ModelConfig
from clipvec.errors import ConfigError, FingerprintError, ModelError
from clipvec.model.torch import device
from clipvec.model.torch.device import choose_precision, native_precisions
from clipvec.model.torch.encoder import TorchEncoder
from clipvec.model.torch.weights import load_weights
from tests import tiny


def local(folder: Path, **options: object) -> ModelConfig:
    return ModelConfig("tiny", "local", f"local-dir:{folder}", **options)  # type: ignore[arg-type]


def test_vectors_have_unit_length(tiny_weights: Path) -> None:
    encoder = model.load_encoder(local(tiny_weights))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    images, texts = encoder.encode_images(pixels), encoder.encode_texts(["a cat", "a dog"])
    assert images.shape == (3, 64)
    assert texts.shape == (2, 64)
    assert images.dtype == texts.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(np.vstack([images, texts]), axis=1), 1, atol=1e-5)


def test_same_weights_same_fingerprint(tiny_weights: Path, tmp_path: Path) -> None:
    first, second = model.load_encoder(local(tiny_weights)), model.load_encoder(local(tiny_weights))
    assert first.weights == second.weights
    assert first.golden() == second.golden()
    state = torch.load(tiny_weights / "open_clip_pytorch_model.bin", weights_only=True)
    state["logit_scale"] += 1
    torch.save(state, tmp_path / "open_clip_pytorch_model.bin")
    config = (tiny_weights / "open_clip_config.json").read_text()
    (tmp_path / "open_clip_config.json").write_text(config)
    assert model.load_encoder(local(tmp_path)).weights != first.weights


def test_compiled_vectors_agree(tmp_path: Path) -> None:
    tiny.write(tmp_path, layers=1)  # g++ takes a second or two for each kernel
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    # Half precision, which some processors choose, rounds differently once operations are fused.
    plain = model.load_encoder(local(tmp_path, precision="fp32")).encode_images(pixels)
    compiled = local(tmp_path, precision="fp32", compile=True)
    np.testing.assert_allclose(plain, model.load_encoder(compiled).encode_images(pixels), atol=1e-4)


@pytest.mark.parametrize(
    ("arch", "pretrained", "message"),
    [
        ("ViT-B-32", "./nope.pt", "'./nope.pt' is neither a file nor weights of ViT-B-32"),
        ("local", "local-dir:/nope", "/nope is not a folder with an open_clip_config.json"),
        ("ViT-B-32", "datacomp_xl_s13b_b90k", "could not be fetched"),
    ],
)
def test_unavailable_weights(
    caplog: pytest.LogCaptureFixture, arch: str, pretrained: str, message: str
) -> None:
    with pytest.raises(ModelError) as error:
        model.load_encoder(ModelConfig("x", arch, pretrained))
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert caplog.messages == []  # the error says it all
    assert logging.getLogger().filters == []


def test_weights_by_a_name_that_nobody_has() -> None:
    """No retry finds them."""
    said = (
        r"^model\.pretrained='opnai' is neither a file nor weights of ViT-B-32: allowed are openai"
    )
    with pytest.raises(ConfigError, match=said):
        model.load_encoder(ModelConfig("x", "ViT-B-32", "opnai"))


def test_what_the_hub_says_is_cut_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise RuntimeError("the connection was closed by its host. " * 6)

    monkeypatch.setattr("open_clip.create_model", offline)
    with pytest.raises(ModelError, match=r"fetched \(the connection .* its host. the …\); chec"):
        model.load_encoder(ModelConfig("x", "ViT-B-32", "openai"))


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'transformers'"),
        RuntimeError("Please `pip install transformers` to use pre-trained HuggingFace models"),
    ],
)
def test_a_package_that_a_tokenizer_or_a_text_tower_needs(
    tiny_weights: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr("open_clip.get_tokenizer", refuse)
    with pytest.raises(ConfigError, match=r"needs .* pip install 'clipvec\[transformers\]'$"):
        model.load_encoder(local(tiny_weights))


def test_an_unknown_architecture() -> None:
    with pytest.raises(ConfigError, match=r"^model\.arch='ViT-X' is not an architecture of open_"):
        model.load_encoder(ModelConfig("x", "ViT-X", "x"))


def test_weights_of_another_model(tiny_weights: Path) -> None:
    weights = str(tiny_weights / "open_clip_pytorch_model.bin")
    with pytest.raises(ModelError, match=r"does not fit model\.arch=ViT-B-32"):
        model.load_encoder(ModelConfig("x", "ViT-B-32", weights))


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "evil.pt"
    torch.save({"state_dict": Path("x")}, path)
    with pytest.raises(ModelError, match="is not a weights file of tensors only"):
        model.load_encoder(ModelConfig("x", "ViT-B-32", str(path)))


def test_half_precision(tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It halves the weights once, keeps their checksum, and rounds a little."""
    monkeypatch.setattr(device, "_cpu_has_bf16", lambda: True)
    full, half = (
        cast(TorchEncoder, model.load_encoder(local(tiny_weights, precision=precision)))
        for precision in ("fp32", "bf16")
    )
    assert half.weights == full.weights
    block = half.model.visual.transformer.resblocks[0]
    assert block.mlp.c_fc.weight.dtype == torch.bfloat16
    assert block.ln_1.weight.dtype == torch.float32
    pixels = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    texts = ["a red bird", "two dogs on a beach at night"]
    for one, other in (
        (full.encode_images(pixels), half.encode_images(pixels)),
        (full.encode_texts(texts), half.encode_texts(texts)),
    ):
        assert (one * other).sum(axis=1).min() > 0.9995


def test_emulated_precision_is_refused() -> None:
    cpu = torch.device("cpu")
    native = native_precisions(cpu)
    assert choose_precision("auto", cpu) == native[-1]
    assert native[0] == "fp32"
    with pytest.raises(ModelError, match=r"model\.precision=fp16 is not native to cpu"):
        choose_precision("fp16", cpu)


def test_missing_device(tiny_weights: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.device='cuda:9' cannot be used here"):
        model.load_encoder(local(tiny_weights, device="cuda:9"))


def test_texts_of_all_lengths_keep_their_order(tiny_weights: Path) -> None:
    encoder = model.load_encoder(local(tiny_weights, precision="fp32"))
    texts = ["a cat " * 40, "a dog", "", "a bird over water " * 6, "a frog"]
    alone = [encoder.encode_texts([text])[0] for text in texts]
    np.testing.assert_allclose(encoder.encode_texts(texts), alone, atol=2e-6)
    assert encoder.encode_texts([]).shape == (0, 64)


def test_a_lone_text_takes_one_thread(tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = model.load_encoder(local(tiny_weights, device="cpu"))
    assert isinstance(encoder, TorchEncoder)
    threads: list[int] = []
    encoder._text_tower.register_forward_pre_hook(
        lambda *_: threads.append(torch.get_num_threads())
    )
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        alone = encoder.encode_texts(["a bird"])
        monkeypatch.setattr("clipvec.model.torch.encoder._FEW", 0)
        np.testing.assert_allclose(encoder.encode_texts(["a bird"]), alone, atol=1e-6)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert threads == [1, 2]


def test_a_start_takes_one_thread(tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of its many short steps, others wait longer than they work."""
    threads: list[int] = []
    run = TorchEncoder._run

    def count(*arguments: Any) -> Any:
        threads.append(torch.get_num_threads())
        return arguments[0](*arguments[1:])

    monkeypatch.setattr(
        "clipvec.model.torch.encoder.load_weights", functools.partial(count, load_weights)
    )
    monkeypatch.setattr(TorchEncoder, "_run", lambda *arguments: count(run, *arguments))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        encoder = model.load_encoder(local(tiny_weights, device="cpu"))
        encoder.golden()
        encoder.encode_images(np.zeros((1, 64, 64, 3), np.uint8))
    finally:
        torch.set_num_threads(before)
    assert threads == [1, 1, 1, 2]


def test_an_encoder_with_different_vectors_is_refused(tiny_weights: Path) -> None:
    config = local(tiny_weights)
    made = model.fingerprint_of(model.load_encoder(config))
    assert model.load_checked(made, config, "the store x").weights == made.weights
    with pytest.raises(FingerprintError) as error:
        model.load_checked(replace(made, weights="b" * 64), config, "the store x")
    assert str(error.value).startswith("the store x was made with model weights bbbbbbbbbbbb…, ")
    assert f"model=tiny (local-dir:{tiny_weights}) has {made.weights[:12]}" in str(error.value)
