"""The configuration as frozen dataclasses, one per config group of ``conf/``.

Hydra composes the YAML files and the command line; `read` turns the result into one of the
configs of `clipvec.config.commands` and refuses what does not fit, in one line.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
