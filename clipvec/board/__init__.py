"""The dashboard as one HTML page: a sweep, from its store and from the runs beside it.

gather   a configuration → a `Board`: what the store says, and the runs to show
figures  runs → the plots that `clipvec.tracking.panels` declares
write    a configuration → the page
"""

from clipvec.board.write import Summary, write

__all__ = ["Summary", "write"]
