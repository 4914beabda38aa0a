"""What the service is told: ``conf/serve.yaml`` and the overrides in one environment variable."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from clipvec import config, paths
from clipvec.errors import ConfigError

if TYPE_CHECKING:
    from clipvec.config import ServeConfig

VARIABLE = "CLIPVEC_SERVE"


def text() -> str:
    """Return the overrides as they were given."""
    return os.environ.get(VARIABLE, "")


def read() -> ServeConfig:
    """Return the configuration with the overrides of ``CLIPVEC_SERVE``, words as in a shell.

    Raises:
        ConfigError: an override is malformed, unknown, or has a value that is not allowed.
    """
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException

    config.load_env()
    given = text()
    GlobalHydra.instance().clear()  # there is one around `clipvec.deploy`, done with composing
    try:
        with initialize_config_dir(str(paths.CONF_DIR), version_base="1.3"):
            composed = compose("serve", overrides=shlex.split(given))
    except (HydraException, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"{VARIABLE}={given!r}: {reason}; it takes words such as index.path=data/index"
        ) from error
    return config.read(composed, config.ServeConfig)
