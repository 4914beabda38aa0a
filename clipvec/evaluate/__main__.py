"""``clipvec evaluate``: how good is the model, on your own images.

Examples:
    clipvec evaluate model=sample           # do captions find their images, and back?
    clipvec evaluate model=sample captions=1000 seed=1
    clipvec evaluate model=sample label=category    # and are images classified right?
    clipvec evaluate model=sample label=category prompts=mixed captions=0
    clipvec evaluate model=vit_b_32 against=vit_l_14     # which of two is better?
    clipvec evaluate model=vit_b_32 against=vit_l_14 captions=0     # how far do they agree?
    clipvec evaluate model=vit_b_32 against=vit_l_14 min_qps=50     # and which to take?
    clipvec evaluate -m model=vit_b_32,vit_l_14     # a report for each

It reads a finished store and decodes no image; the store's own model encodes the texts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.cli import HydraCommand

if TYPE_CHECKING:
    from omegaconf import DictConfig


def _evaluate(cfg: DictConfig) -> None:
    from clipvec import config
    from clipvec.evaluate import evaluate

    config.load_env()
    print(evaluate(config.read(cfg, config.EvaluateConfig)))


COMMAND = HydraCommand("evaluate", _evaluate, __doc__)


def main() -> None:
    """Run the command."""
    COMMAND.main()


if __name__ == "__main__":
    main()
