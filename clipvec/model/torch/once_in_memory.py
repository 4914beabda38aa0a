"""Weights that are in memory once while a model is made of a checkpoint."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_making = Lock()
"""One model at a time: what loads is replaced for all threads."""
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
    """Let a model that is made take a checkpoint's tensors one by one, in its own dtypes.

    Otherwise it would be in memory twice, and drawn at random before. The checkpoint must have all
    parameters, as ``load_state_dict`` makes sure that is strict. They are copied: they may be
    mapped from a file, which somebody may write to while the model runs.
    """

    def take(
        module: nn.Module, state: dict[str, torch.Tensor], strict: bool = True, assign: bool = True
    ) -> Any:
        for name, own in module.state_dict().items():
            if name in state:
                given = state[name]
                state[name] = torch.empty(given.shape, dtype=own.dtype).copy_(given)
        return load(module, state, strict, assign)

    with _making, _Unfilled():
        load = nn.Module.load_state_dict
        nn.Module.load_state_dict = take  # type: ignore[assignment, method-assign]
        try:
            yield
        finally:
            nn.Module.load_state_dict = load  # type: ignore[method-assign]
