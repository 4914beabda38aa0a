"""The launcher that hands a sweep to SkyPilot or to local workers."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus, configure_log
from hydra.plugins.launcher import Launcher
from omegaconf import OmegaConf, open_dict

from clipvec import paths, shards
from hydra_plugins.clipvec_sky import _options  # noqa: F401  # registers what Hydra looks for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig

    from clipvec.jobs import Job

_NOT_THE_JOBS = re.compile(r"[+~]*(shards|launcher|cloud|hydra)\b")
"""Overrides that say how jobs are started, not what they do."""


class SweepLauncher(Launcher):
    """Starts the jobs of a sweep, elsewhere than in this process."""

    def __init__(self) -> None:
        self.hydra_context: HydraContext | None = None
        self.task_function: TaskFunction | None = None
        self.config: DictConfig | None = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what Hydra hands over."""
        self.hydra_context = hydra_context
        self.task_function, self.config = task_function, config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Start the jobs and return how each came out.

        Raises:
            ClipvecError: what was asked for cannot be, or the jobs cannot be started.
        """
        from clipvec.config import TrackingConfig, from_dict
        from clipvec.errors import SweepError
        from clipvec.jobs import State, Sweep, check, launch_sweep

        assert self.config is not None
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        folder = Path(self.config.hydra.sweep.dir)
        jobs, first = self._jobs(job_overrides, initial_job_idx)
        settings: Any = OmegaConf.to_container(first.launcher, resolve=True)
        tracking = from_dict(OmegaConf.to_container(first.tracking, resolve=True), TrackingConfig)
        module, backend = self._module(), settings["name"]
        sweep = Sweep(folder.name, module, backend, tuple(jobs), settings, tracking)
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
        """Return what ``python -m`` has to run for one of the jobs.

        Raises:
            ConfigError: not a command of clipvec's.
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
                "another application is swept with hydra/launcher=basic"
            )
        return module

    def _jobs(
        self, job_overrides: Sequence[Sequence[str]], first: int
    ) -> tuple[list[Job], DictConfig]:
        """Return the jobs and the first one's configuration.

        It is composed once for all that differ in shards.

        Raises:
            ConfigError: a configuration that its command would refuse.
        """
        from clipvec.config import COMMANDS, extras_for, read

        assert self.config is not None
        assert self.hydra_context is not None
        schema = COMMANDS[self._module()]
        made: dict[tuple[str, ...], DictConfig] = {}
        extras: dict[tuple[str, ...], tuple[str, ...]] = {}
        jobs = []
        for number, overrides in enumerate(job_overrides, first):
            others = tuple(o for o in overrides if not o.startswith("shards="))
            if others not in made:
                loader = self.hydra_context.config_loader
                made[others] = loader.load_sweep_config(self.config, list(others))
                with open_dict(made[others]):
                    del made[others]["hydra"]  # parts of it are known within a job only
                extras[others] = extras_for(read(made[others], schema))
            spec = [o.removeprefix("shards=").strip("'") for o in overrides if o not in others]
            jobs.append(
                _job(number, others, spec[0] if spec else None, made[others], extras[others])
            )
        return jobs, next(iter(made.values()))


def _job(
    number: int,
    overrides: Sequence[str],
    spec: str | None,
    cfg: DictConfig,
    extras: tuple[str, ...],
) -> Job:
    from clipvec.jobs import Job

    cloud: Any = OmegaConf.to_container(cfg.cloud, resolve=True)
    doing: tuple[int, ...] = ()
    store, images = "", None
    folders = {"store.root": cfg.store.root}
    if "path" in cfg.get("index", {}):
        folders["index.path"] = cfg.index.path
    if "report" in cfg:
        folders["report"] = cfg.report
    if spec is not None:
        doing = shards.parse(spec, cfg.sharding.count)
        store = paths.store_dir(cfg.store.root, cfg.dataset.name, cfg.model.name)
        limit = cfg.dataset.get("limit")
        images = limit and int(limit) * len(doing) // cfg.sharding.count  # 1e6 is a float in YAML
    return Job(
        number,
        tuple(o for o in overrides if not _NOT_THE_JOBS.match(o)),
        doing,
        store,
        cloud,
        folders,
        extras,
        images,
    )
