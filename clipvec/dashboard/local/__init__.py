"""The dashboard as one HTML page: a sweep, from its store and from the runs beside it.

gather   a configuration → a `Board`: what the store says, and the runs to show
figures  runs → the plots that `clipvec.dashboard.panels` declares
write    a configuration → the page
"""

from clipvec.dashboard.local.page import DashboardSummary, write

__all__ = ["DashboardSummary", "write"]
