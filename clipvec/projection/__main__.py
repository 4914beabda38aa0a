"""``clipvec projection``: all images of a store on a plane, for the map of the service.

Examples:
    clipvec projection dataset.name=Pictures             # then open /map of the service
    clipvec projection model=sample

Similar images lie close together. Run it again when there are new images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.cli import HydraCommand

if TYPE_CHECKING:
    from omegaconf import DictConfig


def _projection(cfg: DictConfig) -> None:
    from clipvec import config
    from clipvec.projection.run import run

    config.load_env()
    print(run(config.read(cfg, config.ProjectionConfig)))


COMMAND = HydraCommand("projection", _projection, __doc__)


def main() -> None:
    """Run the command."""
    COMMAND.main()


if __name__ == "__main__":
    main()
