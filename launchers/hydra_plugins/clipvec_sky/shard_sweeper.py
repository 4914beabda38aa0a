"""The sweeper that splits ``shards=0-99`` into jobs."""

from __future__ import annotations

from itertools import chain, count, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobStatus
from hydra.plugins.sweeper import Sweeper
from omegaconf import OmegaConf, open_dict

from clipvec import shards
from clipvec.errors import ConfigError
from hydra_plugins.clipvec_sky import _options  # noqa: F401  # registers what Hydra looks for
from hydra_plugins.clipvec_sky._job import planned_job

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hydra.core.override_parser.types import Override
    from hydra.plugins.launcher import Launcher
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig


class ShardSweeper(Sweeper):
    """Creates one job per ``shards_per_job`` shards, multiplied by every other sweep.

    Those of an index are asked of its store, which may have grown, and are none by default.

    ``shards`` may have any form that `clipvec.shards` accepts, or be Hydra's ``range(0,100)``.
    Commands whose configuration has no ``shards`` are swept as with Hydra's basic sweeper.
    """

    def __init__(
        self, shards_per_job: int | str = 1, params: Mapping[str, str] | None = None
    ) -> None:
        self.shards_per_job = shards_per_job
        self.params = dict(params or {})
        self.hydra_context: HydraContext | None = None
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep Hydra's arguments, and create the launcher."""
        from hydra.core.plugins import Plugins

        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Launch the jobs of the command line and return their results.

        Raises:
            ConfigError: the command line is invalid.
        """
        assert self.config is not None
        assert self.launcher is not None
        jobs = self.jobs(arguments)
        # The launcher reads it from the same configuration.
        self.config.hydra.sweep.dir = str(_claimed(Path(self.config.hydra.sweep.dir), self.config))
        returns = self.launcher.launch(jobs, initial_job_idx=0)
        for job in returns:
            if job.status is JobStatus.FAILED:
                raise job._return_value  # not by return_value, which prints a line of its own
        return [returns]

    def jobs(self, arguments: list[str]) -> list[list[str]]:
        """Return the overrides of each job.

        Raises:
            ShardSpecError: ``shards`` is invalid.
            ConfigError: ``shards_per_job`` is invalid.
        """
        assert self.hydra_context is not None
        size = self.shards_per_job
        if size != "auto" and (not isinstance(size, int) or isinstance(size, bool) or size < 1):
            raise ConfigError(
                f"hydra.sweeper.shards_per_job={size}: the number of shards of a job, at least 1, "
                "or auto"
            )
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        given = [f"{key}={value}" for key, value in self.params.items()]
        overrides = parser.parse_overrides([*given, *arguments])
        chosen = [o for o in overrides if o.key_or_group == "shards"]
        others = [o for o in overrides if o.key_or_group != "shards"]
        found = []
        for combination in _combinations(others):
            specs = self._specs(combination, chosen)
            found += [[*combination, *spec] for spec in specs]
        return found

    def _specs(self, combination: Sequence[str], chosen: Sequence[Override]) -> list[list[str]]:
        """Return the overrides of ``shards`` for one combination of everything else.

        The configuration is composed once per combination; Hydra would compose every job, which
        takes a minute for a thousand.
        """
        assert self.hydra_context is not None
        assert self.config is not None
        loader = self.hydra_context.config_loader
        cfg = loader.load_sweep_config(self.config, list(combination))
        if "shards" not in cfg:
            return [[o.input_line or ""] for o in chosen] or [[]]
        spec = _value(chosen[-1]) if chosen else cfg.shards
        if OmegaConf.is_list(spec):
            spec = OmegaConf.to_container(spec)
        if spec is None:  # an index, built by one job
            return [[]]
        wanted, others = self._wanted(cfg, combination, spec)
        groups = self._groups(cfg, combination, wanted)
        return [[*others, f"shards='{shards.format(group)}'"] for group in groups]

    def _wanted(
        self, cfg: DictConfig, combination: Sequence[str], spec: object
    ) -> tuple[tuple[int, ...], list[str]]:
        """Return the shards that a specification names, and what else tells jobs which they are."""
        from clipvec.config import IndexCommandConfig, read
        from clipvec.index import replaced_by_sweep, shards_of_sweep

        if "num_shards" not in cfg:
            return shards.parse(spec, cfg.sharding.count), []
        composed = cfg.copy()
        with open_dict(composed):
            del composed["hydra"]  # some of it is known only within a job
            composed.shards = spec
        config = read(composed, IndexCommandConfig)
        store = planned_job(0, combination, [], config).visible(config.store_url)
        wanted, count = shards_of_sweep(config, store)
        others = [f"num_shards={count}"]
        if config.rebuild is True:
            others.append(f"rebuild='{replaced_by_sweep(config, store)}'")
        return wanted, others

    def _groups(
        self, cfg: DictConfig, combination: Sequence[str], wanted: tuple[int, ...]
    ) -> Sequence[Sequence[int]]:
        """Return the shards of each job.

        Raises:
            ConfigError: ``auto`` cannot choose.
        """
        from clipvec.config import EmbedConfig, LauncherKind, read
        from clipvec.jobs import group_shards

        size = self.shards_per_job
        if isinstance(size, int):
            return [wanted[first : first + size] for first in range(0, len(wanted), size)]
        if "num_shards" in cfg:
            raise ConfigError(
                "hydra.sweeper.shards_per_job=auto is for clipvec embed, whose speed is forecast; "
                "give the number of shards of each job"
            )
        assert self.config is not None
        root = Path(self.config.hydra.sweep.dir).parent
        with open_dict(cfg):
            del cfg["hydra"]  # some of it is known only within a job
        config = read(cfg, EmbedConfig)
        if not isinstance(config.launcher, LauncherKind):
            raise ConfigError(
                f"hydra.sweeper.shards_per_job=auto: launcher={config.launcher.kind} starts no "
                "jobs; launcher=sky or launcher=workers does"
            )
        job = planned_job(0, combination, [shards.format(wanted)], config)
        return group_shards(job, config.launcher, root)


def _combinations(overrides: Sequence[Override]) -> Iterator[list[str]]:
    """Yield the overrides of each combination of the values that are swept over.

    Others stay as they were typed: Hydra's own sweeper escapes an interpolation without quotes.
    """
    choices = [
        BasicSweeper.split_arguments([each], None)[0]
        if each.is_sweep_override()
        else [[each.input_line or ""]]
        for each in overrides
    ]
    return (list(chain.from_iterable(chosen)) for chosen in product(*choices))


def _claimed(wanted: Path, config: DictConfig) -> Path:
    """Return the folder of this sweep alone, ``wanted`` or ``wanted-2``, with Hydra's record in it.

    The default names a folder by the second, and two commands may start in one.
    """
    folder, numbers = wanted, count(2)
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with (folder / "multirun.yaml").open("x", encoding="utf-8") as file:
                OmegaConf.save(config, file)
        except FileExistsError:
            folder = wanted.with_name(f"{wanted.name}-{next(numbers)}")
        else:
            return folder


def _value(override: Override) -> object:
    """Return the text of an override whose commas Hydra may have parsed as a sweep."""
    if override.is_sweep_override():
        return [text.strip("'\"") for text in override.sweep_string_iterator()]
    return override.value()
