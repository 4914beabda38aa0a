"""``clipvec rejects``: the images that could not be embedded, by reason.

Examples:
    clipvec rejects dataset.name=Pictures                # the store that photos or embed made
    clipvec rejects model=sample shown=0                 # all of them, not the first of each reason

A count and a reason on each line, and below it the places of the images, behind a tab. What was
embedded later, or is gone, is no longer among them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.cli import HydraCommand

if TYPE_CHECKING:
    from omegaconf import DictConfig


def _rejects(cfg: DictConfig) -> None:
    from clipvec import config
    from clipvec.rejects.run import rejects

    config.load_env()
    print(rejects(config.read(cfg, config.RejectsConfig)))


COMMAND = HydraCommand("rejects", _rejects, __doc__)


def main() -> None:
    """Run the command."""
    COMMAND.main()


if __name__ == "__main__":
    main()
