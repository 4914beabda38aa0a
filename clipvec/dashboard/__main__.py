"""``clipvec dashboard``: tracked runs in one place.

Examples:
    clipvec dashboard                             # a saved view and a report in wandb
    clipvec dashboard tracking.project=photos tracking.entity=me
    clipvec dashboard dry_run=true                # print what they would show
    clipvec dashboard --local model=sample        # the same panels as one HTML page
    clipvec dashboard --local model=sample sweep=embed-20260131-094500

Running it again updates both; your own panels and sections in the view are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.cli import HydraCommand

if TYPE_CHECKING:
    from omegaconf import DictConfig


def _dashboard(cfg: DictConfig) -> None:
    from clipvec import config
    from clipvec.dashboard.wandb import save

    config.load_env()
    settings = config.read(cfg, config.DashboardConfig)
    if settings.local:
        from clipvec.dashboard import local

        print(local.write(settings))
    elif settings.dry_run:
        print(save.outline(settings.tracking))
    else:
        print(save.save(settings.tracking))


COMMAND = HydraCommand("dashboard", _dashboard, __doc__, {"--local": "local=true"})


def main() -> None:
    """Run the command."""
    COMMAND.main()


if __name__ == "__main__":
    main()
