"""What tests of the configuration share with those of sweeps."""

from tests.jobs.conftest import python

__all__ = ["python"]
