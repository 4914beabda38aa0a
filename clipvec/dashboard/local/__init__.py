"""The dashboard as one HTML page: a sweep, from its store and the runs beside it.

collect   a configuration → `SweepRuns`: the store, and the runs to show
write     a configuration → the page
"""

from clipvec.dashboard.local.page import DashboardSummary, write

__all__ = ["DashboardSummary", "write"]
