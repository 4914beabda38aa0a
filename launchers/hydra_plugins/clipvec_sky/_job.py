"""What a job of a sweep does, from its configuration."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from clipvec import locations, shards
from clipvec.errors import url_without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clipvec.config import EmbedConfig, IndexCommandConfig, RecallConfig
    from clipvec.jobs import Job

    SweptConfig: TypeAlias = EmbedConfig | IndexCommandConfig | RecallConfig

_GPUS = re.compile(r"[+~]*cloud\.resources(\.|=.*\b)accelerators\b")
"""Overrides that ask for GPUs, by themselves or among other resources."""
_NOT_THE_JOBS = re.compile(r"[+~]*(shards|launcher|cloud|hydra)\b")
"""Overrides that control how jobs are started, not what they do."""


def planned_job(
    number: int, overrides: Sequence[str], chosen: Sequence[Any], config: SweptConfig
) -> Job:
    """Return a job of a sweep.

    Args:
        number: Hydra's.
        overrides: without ``shards``.
        chosen: the values of ``shards``, of which the last counts.
        config: composed of both.

    Raises:
        ShardSpecError: ``shards`` is invalid.
    """
    from clipvec.config import (
        EmbedConfig,
        IndexCommandConfig,
        LauncherKind,
        RecallConfig,
        extras_for,
        to_dict,
    )
    from clipvec.embed import reused_url
    from clipvec.jobs import Job

    doing: tuple[int, ...] = ()
    store, images, precision, arch, reuse, on_cpu = "", None, "", "", "", ""
    cloud = to_dict(config.cloud)
    if isinstance(config.launcher, LauncherKind):
        cloud["resources"] = config.launcher.resources(cloud["resources"])
    inputs: dict[str, list[str]] = {}
    urls: dict[str, list[str]] = {}
    online = config.tracking.mode == "online"
    variables = {"WANDB_API_KEY": "tracking=online writes to wandb"} if online else {}
    folders = {"store.root": config.store.root}
    if not isinstance(config, EmbedConfig) and config.index.folder is not None:
        folders["index.path"] = config.index.folder
    if isinstance(config, RecallConfig):
        folders["report_dir"] = config.report_dir
    if isinstance(config, EmbedConfig):
        variables |= config.dataset.variables
        reuse = reused_url(config)
        places = config.dataset.inputs | config.model.inputs
        if config.reuse and reuse == config.reuse:  # else it is in store.root, which is checked
            places["reuse"] = [reuse]
        inputs = _those(places, lambda place: locations.local_root(place) is not None)
        elsewhere = _those(places, lambda place: locations.local_root(place) is None)
        urls = {option: [*map(url_without_secrets, found)] for option, found in elsewhere.items()}
        on_cpu = config.model.on_cpu
        if on_cpu and not any(map(_GPUS.match, overrides)):  # a default that would be idle
            cloud["resources"].pop("accelerators", None)
        runs_torch = config.model.runtime == "torch" and config.model.arch != "synthetic"
        if runs_torch and config.model.device == "auto":
            precision = config.model.precision
    if isinstance(config, EmbedConfig) and chosen:
        doing = shards.parse(chosen[-1], config.sharding.count)
        store = config.store_url
        whole = config.dataset.expected_items
        images = None if whole is None else whole * len(doing) // config.sharding.count
        arch = config.model.arch
    if isinstance(config, IndexCommandConfig) and chosen:
        doing = shards.parse(chosen[-1], config.num_shards or 0)
    return Job(
        number,
        tuple(o for o in overrides if not _NOT_THE_JOBS.match(o)),
        doing,
        store,
        cloud,
        folders,
        extras_for(config),
        images,
        precision,
        inputs,
        urls,
        variables,
        arch=arch,
        reuse=reuse,
        on_cpu=on_cpu,
    )


def _those(
    inputs: Mapping[str, Sequence[str]], wanted: Callable[[str], bool]
) -> dict[str, list[str]]:
    """Return the inputs of one kind."""
    chosen = {option: list(filter(wanted, places)) for option, places in inputs.items()}
    return {option: places for option, places in chosen.items() if places}
