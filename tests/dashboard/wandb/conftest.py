"""The server that stands for wandb's, and settings of the tests' own."""

from tests.tracking.conftest import clean, deaf, job, offline, saving, server

__all__ = ["clean", "deaf", "job", "offline", "saving", "server"]
