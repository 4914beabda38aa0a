"""No secret of a command line is written into a run's folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clipvec.cli.ending import fail
from clipvec.errors import ConfigError, holds_secret

if TYPE_CHECKING:
    from hydra.experimental.callback import Callback
    from omegaconf import DictConfig


def refuse_secrets() -> Callback:
    """Return what refuses a URL with a secret before Hydra writes it into a run's folder.

    A callback of Hydra, named in ``conf/common.yaml``. A value such as ``${oc.env:NAME}`` is
    written as it stands.
    """
    from hydra.experimental.callback import Callback
    from omegaconf import OmegaConf

    class RefuseSecrets(Callback):
        def on_run_start(self, config: DictConfig, **_: Any) -> None:
            if holds_secret(OmegaConf.to_yaml(config, resolve=False)):
                # By SystemExit: Hydra makes a warning of an Exception.
                fail(
                    ConfigError(
                        "a URL has a password or a signature in it, which would be written into "
                        "the run's folder; put the URL into the environment or .env under a name "
                        "such as DATASET_URL, and give dataset.path='${oc.env:DATASET_URL}'"
                    )
                )

        on_multirun_start = on_run_start

    return RefuseSecrets()
