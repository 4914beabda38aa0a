"""A run that wandb writes to files only; `clipvec.tracking` says why."""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipvec import paths
from clipvec.errors import ClipvecError, Interrupted, one_line
from clipvec.tracking import wandb_sdk
from clipvec.tracking.mirror import RunsFolder
from clipvec.tracking.upload import Uploader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from clipvec.config import TrackingConfig
    from clipvec.tracking.run import Artifact, LineChart, Table
    from clipvec.tracking.run_spec import RunSpec
    from clipvec.tracking.wandb_sdk import SdkRun

log = logging.getLogger(__name__)
_STAGING = "WANDB_DATA_DIR"
"""Environment variable: the folder where wandb stages files of artifacts."""


class WandbRun:
    """A run in the files of wandb's offline mode."""

    tracked = True

    def __init__(
        self,
        run: SdkRun,
        folder: RunsFolder,
        log_interval_s: float,
        uploader: Uploader | None,
    ) -> None:
        self._run: SdkRun | None = run
        self._runs_folder = folder
        self._log_interval_s = log_interval_s
        self._uploader = uploader
        self._logged_at = time.monotonic()
        self._finished = False
        self.folder = Path(run.dir).absolute().parent
        """All files of the run."""
        self._staging = os.environ.get(_STAGING)
        os.environ[_STAGING] = str(self.folder)

    @classmethod
    def open(cls, config: TrackingConfig, spec: RunSpec) -> WandbRun:
        """Return a new run; the upload appends it to an earlier one with the same id.

        Raises:
            Exception: whatever wandb raises.
        """
        online = config.mode == "online"
        if online and not wandb_sdk.has_credentials():
            log.warning(
                "tracking=online: no key for wandb; run wandb login, or set WANDB_API_KEY. "
                "The run continues offline and can be uploaded later"
            )
            online = False
        folder = RunsFolder(spec.root)
        run = wandb_sdk.open_run(config, spec, folder.path)
        uploader = Uploader(Path(run.dir).absolute().parent) if online else None
        return cls(run, folder, config.log_interval_s, uploader)

    def should_log(self) -> bool:
        """Return whether it is time to log the next point of a curve."""
        now = time.monotonic()
        if now - self._logged_at < self._log_interval_s:
            return False
        self._logged_at = now
        return True

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Add a point to curves; steps must increase."""
        self._try(lambda run: run.log(dict(values), step=step))

    def update_summary(self, values: Mapping[str, Any]) -> None:
        """Set summary values of the whole run."""
        self._try(lambda run: run.summary.update(dict(values)))

    def log_table(self, name: str, table: Table) -> None:
        """Log a table."""
        self._try(lambda run: run.log({name: wandb_sdk.to_table(table)}))

    def log_chart(self, name: str, chart: LineChart) -> None:
        """Log a chart."""
        self._try(lambda run: run.log({name: wandb_sdk.to_chart(chart)}))

    def log_html(self, name: str, html: str) -> None:
        """Log a self-contained HTML page."""
        self._try(lambda run: run.log({name: wandb_sdk.to_html(html)}))

    def use_artifact(self, artifact: Artifact) -> None:
        """Record an input of the run."""
        self._try(lambda run: wandb_sdk.log_artifact(run, artifact, self.folder, used=True))

    def log_artifact(self, artifact: Artifact) -> None:
        """Record an output of the run."""
        self._try(lambda run: wandb_sdk.log_artifact(run, artifact, self.folder, used=False))

    def finish(self, exit_code: int = 0) -> None:
        """End the run; a non-zero exit code marks it as failed."""
        if self._finished:
            return
        self._finished = True
        uploader = self._uploader
        if uploader is not None:
            uploader.before_end()
        self._try(lambda run: wandb_sdk.finish_run(run, exit_code))
        self._end()
        root = self._runs_folder.url
        try:
            self._runs_folder.upload(self.folder)
        except Exception as error:
            root = ""
            log.warning("the run stays in %s: %s", self.folder, one_line(error))
        if uploader is not None and uploader.finish():
            log.info("tracked: %s", uploader.url or "uploaded to wandb")
            return
        late = "upload incomplete; " if uploader is not None else ""
        # A partly uploaded run is replaced; resuming it would upload its points twice.
        resume = "" if uploader is not None and uploader.url else "WANDB_RESUME=allow "
        if root:  # this machine may be a job's, which goes away
            folder: object = paths.tracking_url(root)
            sync = f"clipvec dashboard --local store.root={root} && "
            sync += f"{resume}wandb beta sync {self.folder.parent}"
        else:
            folder = _shortest(self.folder.parent)
            sync = f"{resume}wandb beta sync {folder}"
        log.info("tracked in %s; %sto upload: %s", folder, late, sync)

    def __enter__(self) -> WandbRun:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.finish()
            return
        if isinstance(error, Interrupted):  # shown as preempted, not as failed
            self._try(lambda run: run.mark_preempting())
        if isinstance(error, ClipvecError):
            self.finish(error.exit_code)
        else:
            self.finish(1)

    def _try(self, call: Callable[[SdkRun], object]) -> None:
        """Call wandb; if it raises, log that once and stop using it."""
        run = self._run
        if run is None:
            return
        try:
            call(run)
        except Exception as error:
            log.warning("tracking stopped, the work continues: %s", one_line(error))
            self._end()
            with suppress(Exception):
                wandb_sdk.finish_run(run, 0)

    def _end(self) -> None:
        self._run = None
        if self._staging is None:
            os.environ.pop(_STAGING, None)
        else:
            os.environ[_STAGING] = self._staging


def _shortest(path: Path) -> Path:
    """Return a path as it is best shown: relative where it is below the current folder."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
