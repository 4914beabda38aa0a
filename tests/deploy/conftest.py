"""What tests of the deployed service share with those of sweeps."""

from tests.jobs.conftest import python

__all__ = ["python"]
