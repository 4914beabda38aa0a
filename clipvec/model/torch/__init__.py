"""torch as the runtime of a model; torch and open_clip are imported only here."""

import sys

# Found missing while open_clip is imported: timm would log trainings to wandb, transformers draft
# texts by scikit-learn, neither of which clipvec does, and importing them takes longer than
# open_clip itself.
_unused = [name for name in ("wandb", "sklearn") if name not in sys.modules]
sys.modules.update(dict.fromkeys(_unused))  # type: ignore[arg-type]
try:
    import open_clip  # noqa: F401
finally:
    for name in _unused:
        del sys.modules[name]
