"""The query service: HTTP and a web page in front of one collection and its encoder.

`clipvec.service.bento` is what ``bentoml serve`` runs. `clipvec.service.searcher` answers queries,
many at once; `clipvec.service.routes` puts it behind HTTP.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
