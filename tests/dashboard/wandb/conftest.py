"""The servers and settings that tests of tracking have."""

from tests.tracking.conftest import clean, deaf, job, offline, saving, server

__all__ = ["clean", "deaf", "job", "offline", "saving", "server"]
