"""The device that an encoder runs on, and GPUs that it cannot use."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from clipvec.errors import GpuError
from clipvec.model.torch.device import choose_device

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="torch can use a GPU here")


@pytest.fixture
def old_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose nvidia-smi shows a T4 that this torch cannot use."""
    program = tmp_path / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = -L ]; then echo "GPU 0: Tesla T4 (UUID: GPU-1)"\n'
        'else echo "Tesla T4, 535.216.01"; fi\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("SKYPILOT_NUM_GPUS_PER_NODE", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("old_driver")
@pytest.mark.parametrize("name", ["SKYPILOT_NUM_GPUS_PER_NODE", "CUDA_VISIBLE_DEVICES"])
def test_a_job_does_not_run_beside_its_gpu(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(GpuError) as caught:
        choose_device("auto")
    said = str(caught.value)
    assert caught.value.exit_code == 4
    assert said.startswith(
        f"{name}=1, but torch {torch.__version__} cannot use the GPU (Tesla T4, driver "
        "535.216.01): "
    )
    assert said.endswith("or give model.device=cpu")
    assert "\n" not in said
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.usefixtures("old_driver")
@pytest.mark.parametrize("count", ["0", ""])
def test_a_job_without_a_gpu_says_what_it_leaves_idle(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, count: str
) -> None:
    monkeypatch.setenv("SKYPILOT_NUM_GPUS_PER_NODE", count)
    assert choose_device("auto").type in {"cpu", "mps"}
    if not torch.backends.mps.is_available():
        (message,) = caplog.messages
        assert "cannot use the GPU (Tesla T4, driver 535.216.01)" in message
        assert message.endswith("; model.device=cpu hides this warning")


def test_a_machine_without_gpus(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert choose_device("auto").type in {"cpu", "mps"}
    assert caplog.messages == []
