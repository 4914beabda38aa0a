"""``clipvec deploy``: start, inspect and stop the query service on SkyServe.

Examples:
    export CLIPVEC_SERVE="index.path=/index"     # as for bentoml serve
    clipvec deploy up cloud=aws 'cloud.file_mounts={/index: s3://bucket/index}'
    clipvec deploy up cloud=aws dry_run=true
    clipvec deploy status
    clipvec deploy down

Requests need a key if CLIPVEC_API_KEY is set, here or in .env.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.cli import HydraCommand

if TYPE_CHECKING:
    from omegaconf import DictConfig


def _deploy(cfg: DictConfig) -> None:
    from pathlib import Path

    from hydra.core.hydra_config import HydraConfig

    from clipvec import config
    from clipvec.deploy import service
    from clipvec.service import settings

    config.load_env()
    wanted = config.read(cfg, config.DeployConfig)
    if wanted.action == "status":
        print(service.status(wanted.service.name))
    elif wanted.action == "down":
        service.down(wanted.service.name)
        print(f"shutting down {wanted.service.name}; its machines take a minute or so")
    else:
        folder = Path(HydraConfig.get().runtime.output_dir)
        print(service.up(wanted, settings.read(), settings.text(), folder))


COMMAND = HydraCommand(
    "deploy",
    _deploy,
    __doc__,
    {action: f"action={action}" for action in ("up", "status", "down")},
)


def main() -> None:
    """Run the command."""
    COMMAND.main()


if __name__ == "__main__":
    main()
