"""Shared by tests of the configuration and of sweeps."""

from tests.jobs.conftest import python

__all__ = ["python"]
