"""A stand-in for wandb's server, and settings for the tests."""

from tests.tracking.conftest import clean, deaf, job, offline, saving, server

__all__ = ["clean", "deaf", "job", "offline", "saving", "server"]
