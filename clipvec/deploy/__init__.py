"""The query service on SkyServe: equal machines behind one load balancer."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
