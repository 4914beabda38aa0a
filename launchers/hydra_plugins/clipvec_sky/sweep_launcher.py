"""The launcher that passes a sweep to the backend chosen in the ``launcher`` group."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus, configure_log
from hydra.plugins.launcher import Launcher
from omegaconf import open_dict

from clipvec import paths, shards
from hydra_plugins.clipvec_sky import _options  # noqa: F401  # registers what Hydra looks for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig

    from clipvec.config import EmbedConfig, IndexCommandConfig, RecallConfig
    from clipvec.jobs import Job

    SweptConfig: TypeAlias = EmbedConfig | IndexCommandConfig | RecallConfig

_NOT_THE_JOBS = re.compile(r"[+~]*(shards|launcher|cloud|hydra)\b")
"""Overrides that control how jobs are started, not what they do."""


class SweepLauncher(Launcher):
    """Starts the jobs of a sweep outside this process."""

    def __init__(self) -> None:
        self.hydra_context: HydraContext | None = None
        self.task_function: TaskFunction | None = None
        self.config: DictConfig | None = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep Hydra's arguments."""
        self.hydra_context = hydra_context
        self.task_function, self.config = task_function, config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Start the jobs and return their outcomes.

        Raises:
            ClipvecError: the request is invalid, or the jobs cannot be started.
        """
        from clipvec.config import LauncherKind
        from clipvec.errors import ConfigError, SweepError
        from clipvec.jobs import State, Sweep, check, launch_sweep

        assert self.config is not None
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        folder = Path(self.config.hydra.sweep.dir)
        jobs, first = self._jobs(job_overrides, initial_job_idx)
        if not isinstance(first.launcher, LauncherKind):
            raise ConfigError(f"launcher={first.launcher.kind} runs with hydra/launcher=basic")
        sweep = Sweep(folder.name, self._module(), first.launcher, tuple(jobs), first.tracking)
        outcomes = launch_sweep(sweep, folder)
        failure = None
        try:
            check(outcomes)
        except SweepError as error:
            failure = error
        returns = []
        for outcome, overrides in zip(outcomes, job_overrides, strict=True):
            failed = outcome.status in {State.FAILED, State.CANCELLED}
            result = JobReturn(overrides=overrides, working_dir=str(folder))
            result.status = JobStatus.FAILED if failed else JobStatus.COMPLETED
            result.return_value = failure if failed else None
            returns.append(result)
        return returns

    def _module(self) -> str:
        """Return the module that ``python -m`` runs for a job.

        Raises:
            ConfigError: it is not a command of clipvec.
        """
        from clipvec.config import COMMANDS
        from clipvec.errors import ConfigError

        spec = getattr(sys.modules["__main__"], "__spec__", None)
        module = str(spec.name).removesuffix(".__main__") if spec is not None else ""
        if module not in COMMANDS:
            assert self.task_function is not None
            module = self.task_function.__module__.removesuffix(".__main__")
        if module not in COMMANDS:
            raise ConfigError(
                f"hydra/launcher=clipvec starts jobs of {', '.join(COMMANDS)}, not of {module}; "
                "sweep another application with hydra/launcher=basic"
            )
        return module

    def _jobs(
        self, job_overrides: Sequence[Sequence[str]], first: int
    ) -> tuple[list[Job], SweptConfig]:
        """Return the jobs and the first one's configuration.

        It is composed once for all jobs that differ only in shards.

        Raises:
            ConfigError: a job's configuration is invalid.
        """
        from clipvec.config import COMMANDS, read

        assert self.config is not None
        assert self.hydra_context is not None
        loader = self.hydra_context.config_loader
        parser = OverridesParser.create(config_loader=loader)
        schema = COMMANDS[self._module()]
        configs: dict[tuple[str, ...], SweptConfig] = {}
        jobs = []
        for number, overrides in enumerate(job_overrides, first):
            others = tuple(o for o in overrides if not o.startswith("shards="))
            if others not in configs:
                cfg = loader.load_sweep_config(self.config, list(others))
                with open_dict(cfg):
                    del cfg["hydra"]  # some of it is known only within a job
                configs[others] = read(cfg, schema)
            chosen = [parser.parse_override(o).value() for o in overrides if o not in others]
            jobs.append(_job(number, others, chosen, configs[others]))
        return jobs, next(iter(configs.values()))


def _job(number: int, overrides: Sequence[str], chosen: list[Any], config: SweptConfig) -> Job:
    from clipvec.config import EmbedConfig, RecallConfig, extras_for, to_dict
    from clipvec.jobs import Job

    doing: tuple[int, ...] = ()
    store, images, precision = "", None, ""
    inputs: dict[str, list[str]] = {}
    online = config.tracking.mode == "online"
    variables = {"WANDB_API_KEY": "tracking=online writes to wandb"} if online else {}
    folders = {"store.root": config.store.root}
    if not isinstance(config, EmbedConfig) and config.index.folder is not None:
        folders["index.path"] = config.index.folder
    if isinstance(config, RecallConfig):
        folders["report_dir"] = config.report_dir
    if isinstance(config, EmbedConfig):
        variables |= config.dataset.variables
        inputs = _local(config.dataset.inputs | config.model.inputs)
        runs_torch = config.model.runtime == "torch" and config.model.arch != "synthetic"
        if runs_torch and config.model.device == "auto":
            precision = config.model.precision
    if isinstance(config, EmbedConfig) and chosen:
        doing = shards.parse(chosen[-1], config.sharding.count)
        store = paths.store_dir(config.store.root, config.dataset.name, config.model.name)
        limit = getattr(config.dataset, "limit", None)
        images = limit and limit * len(doing) // config.sharding.count
    return Job(
        number,
        tuple(o for o in overrides if not _NOT_THE_JOBS.match(o)),
        doing,
        store,
        to_dict(config.cloud),
        folders,
        extras_for(config),
        images,
        precision,
        inputs,
        variables,
    )


def _local(inputs: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the inputs that are no URLs; ``pkg://`` is clipvec itself, which jobs have."""
    local = {
        option: [place for place in places if paths.local_root(place) is not None]
        for option, places in inputs.items()
    }
    return {option: places for option, places in local.items() if places}
