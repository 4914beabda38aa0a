"""The query service: HTTP and a web page in front of one collection and its encoder.

`clipvec.service.bento` is what ``bentoml serve`` runs. `Searcher` answers queries, many at once;
`create_app` puts it behind HTTP.
"""

from __future__ import annotations

from clipvec.service.routes import create_app
from clipvec.service.searcher import Searcher

__all__ = ["Searcher", "create_app"]
