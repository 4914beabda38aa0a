"""The options of the plugins under ``hydra/launcher=clipvec`` and ``hydra/sweeper=shards``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore


@dataclass
class SweeperOptions:
    """``hydra.sweeper``."""

    _target_: str = "hydra_plugins.clipvec_sky.shard_sweeper.ShardSweeper"
    shards_per_job: Any = 1
    """Number of shards per job; ``auto``: as many as make starting a fifth of its time."""
    params: dict[str, str] = field(default_factory=dict)
    """Sweeps defined in a config, as in Hydra's basic sweeper."""


@dataclass
class LauncherOptions:
    """``hydra.launcher``; users' options are in the ``launcher`` group."""

    _target_: str = "hydra_plugins.clipvec_sky.sweep_launcher.SweepLauncher"


_store = ConfigStore.instance()
_store.store(group="hydra/sweeper", name="shards", node=SweeperOptions, provider="clipvec")
_store.store(group="hydra/launcher", name="clipvec", node=LauncherOptions, provider="clipvec")
