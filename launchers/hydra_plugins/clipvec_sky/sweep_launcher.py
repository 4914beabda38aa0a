"""The launcher that passes a sweep to the backend chosen in the ``launcher`` group."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus, configure_log
from hydra.plugins.launcher import Launcher
from omegaconf import open_dict

from hydra_plugins.clipvec_sky import _options  # noqa: F401  # registers what Hydra looks for
from hydra_plugins.clipvec_sky._job import planned_job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig

    from clipvec.jobs import Job
    from hydra_plugins.clipvec_sky._job import SweptConfig


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
            jobs.append(planned_job(number, others, chosen, configs[others]))
        return jobs, next(iter(configs.values()))
