"""The servers and settings that tests of tracking have."""

from tests.tracking.conftest import clean, deaf, saving, server

__all__ = ["clean", "deaf", "saving", "server"]
