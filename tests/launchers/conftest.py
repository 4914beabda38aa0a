"""Imports that Hydra needs before tests of the plugins."""

# Imported before Hydra's fixture saves its registry, which it resets to afterwards.
import hydra_plugins.clipvec_sky.sweep_launcher  # noqa: F401
