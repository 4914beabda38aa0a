"""A model is made of a checkpoint without a second copy of its weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from clipvec.model.torch.once_in_memory import once_in_memory


def test_tensors_of_a_checkpoint_become_the_parameters() -> None:
    weight = torch.ones(3, 2)  # as if it were mapped from a file
    state = {"weight": weight, "bias": torch.zeros(3)}
    drawn = torch.get_rng_state()
    with once_in_memory():
        layer = nn.Linear(2, 3)
        layer.load_state_dict(state)
    assert torch.equal(torch.get_rng_state(), drawn)
    weight.zero_()  # another checkpoint is written into the file
    assert torch.equal(layer(torch.ones(1, 2)), torch.full((1, 3), 2.0))


def test_parameters_keep_their_dtype_and_layout() -> None:
    with once_in_memory():
        layer = nn.Linear(2, 3)
        layer.load_state_dict({"weight": torch.ones(2, 3).t().half(), "bias": torch.zeros(3)})
    assert layer.weight.dtype == torch.float32
    assert layer.weight.is_contiguous()


def test_a_checkpoint_that_lacks_parameters_is_refused() -> None:
    with once_in_memory(), pytest.raises(RuntimeError, match="Missing key"):
        nn.Linear(2, 3).load_state_dict({"weight": torch.ones(3, 2)})


def test_other_models_are_made_as_ever() -> None:
    with once_in_memory():
        pass
    torch.manual_seed(0)
    layer, state = nn.Linear(2, 3), {"weight": torch.ones(3, 2), "bias": torch.zeros(3)}
    assert layer.weight.abs().sum() > 0
    layer.load_state_dict(state)
    assert layer.weight.data_ptr() != state["weight"].data_ptr()
