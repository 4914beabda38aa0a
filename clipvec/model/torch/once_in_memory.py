"""Weights that are in memory once while a model is made of a checkpoint."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch

_RANDOM = {"kaiming_uniform_", "normal_", "uniform_", "xavier_uniform_"}


class _Unfilled(TorchFunctionMode):
    """Draws no random parameters: memory that nobody writes to is not taken."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in _RANDOM:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


@contextmanager
def once_in_memory() -> Iterator[None]:
    """Let a model that is made take a checkpoint's tensors as they are, in its own dtypes.

    Otherwise it would be in memory twice, and drawn at random before. The checkpoint must have all
    parameters, as ``load_state_dict`` makes sure that is strict.
    """
    load = nn.Module.load_state_dict

    def take(
        module: nn.Module, state: dict[str, torch.Tensor], strict: bool = True, assign: bool = True
    ) -> Any:
        for name, own in module.state_dict().items():
            if name in state:
                state[name] = state[name].to(own.dtype).contiguous()
        return load(module, state, strict, assign)

    nn.Module.load_state_dict = take  # type: ignore[assignment, method-assign]
    try:
        with _Unfilled():
            yield
    finally:
        nn.Module.load_state_dict = load  # type: ignore[method-assign]
