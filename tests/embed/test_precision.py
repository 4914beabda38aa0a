"""One precision in a store, and GPUs that are used or refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from clipvec import config, paths
from clipvec.embed.run import embed_shards
from clipvec.embed.vector_source import check_gpus
from clipvec.errors import FingerprintError, GpuError
from clipvec.model.torch import encoder
from clipvec.store import Store


def settings(root: Path, weights: Path, *given: str) -> config.EmbedConfig:
    named = ["model=local", f"model.pretrained=local-dir:{weights}", f"store.root={root}/store"]
    named += ["dataset.limit=4", "sharding.count=2", *given]
    with initialize_config_dir(str(paths.CONF_DIR), version_base="1.3"):
        return config.read(compose("embed", named), config.EmbedConfig)


def embed(root: Path, weights: Path, *given: str) -> Store:
    asked = settings(root, weights, *given)
    embed_shards(asked)
    return Store.open(paths.store_dir(asked.store.root, "sample", "local"))


def test_the_first_job_chooses_for_all(
    tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = embed(tmp_path, tiny_weights, "shards=0", "model.precision=fp32")
    assert store.fingerprint.precision == "fp32"
    # a machine that would choose bf16
    chosen: list[str] = []

    def choose(name: str, device: object) -> str:
        chosen.append(name)
        return "bf16" if name == "auto" else name

    monkeypatch.setattr(encoder, "choose_precision", choose)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    embed(tmp_path, tiny_weights, "shards=1")
    assert set(chosen) == {"fp32"}
    assert list(store.committed()) == [0, 1]


def test_another_precision_is_refused(tmp_path: Path, tiny_weights: Path) -> None:
    store = embed(tmp_path, tiny_weights, "shards=0", "model.precision=fp32")
    with pytest.raises(FingerprintError) as caught:
        embed(tmp_path, tiny_weights, "shards=1", "model.precision=bf16")
    assert str(caught.value) == (
        f"the store {store.url} was made with model.precision fp32, not bf16: "
        "use model.precision=fp32, or another store.root"
    )


def test_a_gpu_that_the_runtime_leaves_idle_is_named(
    tmp_path: Path,
    tiny_weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("SKYPILOT_NUM_GPUS_PER_NODE", "1")
    check_gpus(settings(tmp_path, tiny_weights, "model.runtime=onnx"))
    assert caplog.messages == [
        "SKYPILOT_NUM_GPUS_PER_NODE=1: model.runtime=onnx embeds on the CPU, and GPUs are idle; "
        "model.runtime=torch uses one, and jobs get machines without by "
        "cloud.resources.accelerators=null"
    ]


def test_several_gpus_are_not_left_idle(
    tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("SKYPILOT_NUM_GPUS_PER_NODE", "4")
    with pytest.raises(
        GpuError, match=r"^SKYPILOT_NUM_GPUS_PER_NODE=4: a process embeds on one GPU"
    ):
        embed(tmp_path, tiny_weights)
    assert not (tmp_path / "store").exists()
    embed(tmp_path, tiny_weights, "model.device=cpu")
    embed(tmp_path, tiny_weights)  # nothing is left to do
