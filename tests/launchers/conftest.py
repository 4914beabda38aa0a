"""What Hydra has to know before tests of the plugins."""

# Imported before Hydra's fixture keeps its registry, which it would reset to a state without them.
import hydra_plugins.clipvec_sky.sweep_launcher  # noqa: F401
