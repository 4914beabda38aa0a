"""Shared by tests of the deployed service and of sweeps."""

from tests.jobs.conftest import python

__all__ = ["python"]
