from __future__ import annotations

from types import SimpleNamespace

import torch
from timm.models.byobnet import MobileOneBlock

from clipvec.model.torch.weights import fuse


def test_fused_branches_give_the_same_vectors() -> None:
    """As of MobileCLIP, whose parts open_clip leaves as they were trained."""
    torch.manual_seed(0)
    tower = torch.nn.Sequential(*(MobileOneBlock(8, 8, num_conv_branches=2) for _ in range(2)))
    for module in tower.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-1, 1)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    model = SimpleNamespace(visual=tower.eval())
    images = torch.randn(3, 8, 6, 6)
    with torch.no_grad():
        before = model.visual(images)
        fuse(model)
        after = model.visual(images)
    assert not [m for m in model.visual.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)
