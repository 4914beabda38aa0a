"""What the service is told: ``conf/serve.yaml`` and the overrides in one environment variable."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from clipvec import config
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
    config.load_env()
    given = text()
    try:
        return config.read_command("serve", shlex.split(given), config.ServeConfig)
    except (ConfigError, ValueError) as error:  # ValueError: a quotation that does not end
        raise ConfigError(f"{VARIABLE}={given!r}: {error}") from error
