"""``python -m clipvec.dashboard``: what tracked runs tell, in wandb or on a page of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.cli import run_hydra

if TYPE_CHECKING:
    from omegaconf import DictConfig


def main() -> None:
    """Run the command."""
    run_hydra(_dashboard, "dashboard", flags={"--local": "local=true"})


def _dashboard(cfg: DictConfig) -> None:
    from clipvec import config
    from clipvec.dashboard.wandb import save

    config.load_env()
    wanted = config.read(cfg, config.DashboardConfig)
    if wanted.local:
        from clipvec.dashboard import local

        print(local.write(wanted))
    elif wanted.dry_run:
        print(save.outline(wanted.tracking))
    else:
        print(save.save(wanted.tracking))


if __name__ == "__main__":
    main()
