"""What tests of the plugins share."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

# Imported before Hydra's fixture keeps its registry, which it would reset to a state without them.
import hydra_plugins.clipvec_sky.sweep_launcher  # noqa: F401

_LOGGERS = ("", "clipvec")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Hydra sets up logging for the whole process, which later tests would see."""
    before = [(logger, logger.level, logger.handlers[:], logger.propagate) for logger in _loggers()]
    disabled = logging.root.manager.disable
    yield
    logging.disable(disabled)
    for logger, level, handlers, propagate in before:
        logger.setLevel(level)
        logger.handlers[:], logger.propagate, logger.disabled = handlers, propagate, False


def _loggers() -> list[logging.Logger]:
    return [logging.getLogger(name) for name in _LOGGERS]
