"""The device and precision that an encoder runs with."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from clipvec import machine
from clipvec.errors import GpuError, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch


log = logging.getLogger(__name__)


def choose_device(name: str) -> torch.device:
    """Return the torch device called ``name``; ``auto`` takes CUDA, then MPS, then the CPU.

    Raises:
        ModelError: this machine has no such device.
        GpuError: ``auto``, and this process was given a GPU that torch cannot use.
    """
    import torch

    if name == "auto":
        return _best()
    reason = _unusable(name)
    if reason is not None:
        found = next(each for each in ("cuda", "mps", "cpu") if _unusable(each) is None)
        raise ModelError(
            f"model.device={name!r} cannot be used here ({reason}); "
            f"allowed are auto, cpu and what torch finds (now: {found})"
        )
    return torch.device(name)


def _best() -> torch.device:
    """Return the fastest device, and never in silence the CPU of a machine with a GPU."""
    import torch

    given, why = machine.given_gpus()
    if not given and not torch.cuda.is_available():
        if torch.backends.mps.is_available():
            return torch.device("mps")
        if not machine.gpus():
            return torch.device("cpu")
    reason = _unusable("cuda")
    if reason is None:
        return torch.device("cuda")
    said = f"torch {torch.__version__} cannot use the GPU ({machine.describe_gpus()}): {reason}"
    if given:
        raise GpuError(
            f"{why}, but {said}; install a build of torch for this driver (those of CUDA 12.6 run "
            "on every driver since 525), or give model.device=cpu"
        )
    log.warning("%s; model.device=cpu hides this warning", said)
    return torch.device("cpu")


def _unusable(name: str) -> str | None:
    """Return why a device cannot be used, or None; a build may lack the kernels of a GPU."""
    import torch

    try:
        torch.ones(1, device=name).add_(1).cpu()
    except (RuntimeError, AssertionError) as error:
        return str(error).splitlines()[0]
    return None


def choose_precision(name: str, device: torch.device) -> str:
    """Return ``fp32``, ``fp16`` or ``bf16``; ``auto`` takes the fastest that is native.

    Raises:
        ModelError: the device would emulate ``name``.
    """
    native = native_precisions(device)
    if name == "auto":
        return native[-1]
    if name not in native:
        raise ModelError(
            f"model.precision={name} is not native to {device}, it would be many times slower; "
            f"allowed are auto, {', '.join(native)}"
        )
    return name


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let this thread do all of torch's work on the CPU while the context is open."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def native_precisions(device: torch.device) -> list[str]:
    """Return the precisions that ``device`` supports natively, the preferred one last."""
    import torch

    if device.type == "cuda":
        native = ["fp32", "fp16"]
        if torch.cuda.is_bf16_supported(including_emulation=False):
            native.append("bf16")
        return native
    if device.type == "mps":
        return ["fp32", "fp16"]
    return ["fp32", "bf16"] if _cpu_has_bf16() else ["fp32"]


def _cpu_has_bf16() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return False  # not Linux: torch has no public API for this
    return bool({"amx_bf16", "avx512_bf16", "bf16"} & set(flags))
