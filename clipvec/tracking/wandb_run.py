"""A run that wandb writes to files, see `clipvec.tracking` on why it never does more itself."""

from __future__ import annotations

import io
import json
import logging
import os
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipvec import paths
from clipvec.errors import ClipvecError, Interrupted, one_line
from clipvec.tracking import upload
from clipvec.tracking.mirror import Place
from clipvec.tracking.run import Picture

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    import wandb

    from clipvec.config import TrackingConfig
    from clipvec.tracking.job import Job
    from clipvec.tracking.run import Artifact, Lines, Rows
    from clipvec.tracking.upload import Upload

log = logging.getLogger(__name__)
_STAGING = "WANDB_DATA_DIR"
"""Environment variable of the folder where wandb keeps the files of artifacts."""


class WandbRun:
    """A run in the files of wandb's offline mode."""

    tracked = True

    def __init__(
        self, run: wandb.Run, place: Place, every: float, uploading: Upload | None
    ) -> None:
        self._run: wandb.Run | None = run
        self._place = place
        self._every = every
        self._uploading = uploading
        self._said = time.monotonic()
        self._finished = False
        self.folder = Path(run.dir).absolute().parent
        """All files of the run."""
        self._staging = os.environ.get(_STAGING)
        os.environ[_STAGING] = str(self.folder)

    @classmethod
    def open(cls, config: TrackingConfig, job: Job) -> WandbRun:
        """Return a new run; one of an id that there was before is joined to it by the upload.

        Raises:
            Exception: whatever wandb raises.
        """
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read when wandb is imported
        import wandb

        online = config.mode == "online"
        if online and not upload.signed_in():
            log.warning(
                "tracking=online: no key for wandb; wandb login stores one, or set WANDB_API_KEY. "
                "The run goes on offline, and can be uploaded later"
            )
            online = False
        place = Place(job.root)
        run = wandb.init(
            project=config.project,
            entity=config.entity,
            group=config.group or job.group,
            tags=config.tags,
            id=job.id,
            name=job.id or job.name,
            job_type=job.type,
            dir=str(place.folder),
            config=job.about,
            mode="offline",
            settings=_settings(wandb),
        )
        uploading = upload.Upload(Path(run.dir).absolute().parent) if online else None
        return cls(run, place, config.every, uploading)

    def due(self) -> bool:
        """Return whether it is time for the next point of a curve."""
        now = time.monotonic()
        if now - self._said < self._every:
            return False
        self._said = now
        return True

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Add a point to curves; steps only grow."""
        self._try(lambda run: run.log(dict(values), step=step))

    def describe(self, values: Mapping[str, Any]) -> None:
        """Add to the configuration that is shown with the run."""
        self._try(lambda run: run.config.update(dict(values)))

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Set values that stand for the whole run."""
        self._try(lambda run: run.summary.update(dict(values)))

    def table(self, name: str, rows: Rows) -> None:
        """Show a table."""

        def show(run: wandb.Run) -> None:
            import wandb

            cells = [[_cell(value) for value in row] for row in rows.rows]
            run.log({name: wandb.Table(columns=list(rows.columns), data=cells)})

        self._try(show)

    def chart(self, name: str, lines: Lines) -> None:
        """Show a chart."""

        def show(run: wandb.Run) -> None:
            from wandb import plot

            series = list(lines.points.values())
            drawn = plot.line_series(
                xs=[[x for x, _ in points] for points in series],
                ys=[[y for _, y in points] for points in series],
                keys=list(lines.points),
                title=lines.title,
                xname=lines.x,
            )
            run.log({name: drawn})

        self._try(show)

    def page(self, name: str, html: str) -> None:
        """Show an HTML page that asks for nothing else."""

        def show(run: wandb.Run) -> None:
            import wandb

            # inject: wandb's own style sheet, which would come from the network
            run.log({name: wandb.Html(html, inject=False)})

        self._try(show)

    def used(self, artifact: Artifact) -> None:
        """Say what the run reads."""
        # What use_artifact() does when it is given an artifact; it refuses to do so offline,
        # although the files hold all that the upload needs.
        self._try(
            lambda run: run._log_artifact(
                _artifact(artifact, self.folder), is_user_created=True, use_after_commit=True
            )
        )

    def made(self, artifact: Artifact) -> None:
        """Say what the run made."""
        self._try(lambda run: run.log_artifact(_artifact(artifact, self.folder)))

    def finish(self, exit_code: int = 0) -> None:
        """End the run; with a code that is not 0 it is shown as failed."""
        if self._finished:
            return
        self._finished = True
        uploading = self._uploading
        if uploading is not None:
            uploading.ending()
        self._try(lambda run: _finish(run, exit_code))
        self._end()
        try:
            self._place.keep(self.folder)
        except Exception as error:
            log.warning("the run stays in %s: %s", self.folder, one_line(error))
        if uploading is not None and uploading.finish():
            log.info("tracked: %s", uploading.url or "uploaded to wandb")
            return
        late = "not all of it is uploaded; " if uploading is not None else ""
        # What a server has some of is replaced; to join it would have it twice.
        resume = "" if uploading is not None and uploading.url else "WANDB_RESUME=allow "
        again = f"{resume}wandb beta sync {os.path.relpath(self.folder.parent)}"
        log.info("tracked: %s%s uploads it", late, again)

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

    def _try(self, call: Callable[[wandb.Run], object]) -> None:
        """Call wandb; when it raises, say so once and leave it alone from then on."""
        run = self._run
        if run is None:
            return
        try:
            call(run)
        except Exception as error:
            log.warning("tracking ends here, the work goes on: %s", one_line(error))
            self._end()
            with suppress(Exception):
                _finish(run, 0)

    def _end(self) -> None:
        self._run = None
        if self._staging is None:
            os.environ.pop(_STAGING, None)
        else:
            os.environ[_STAGING] = self._staging


def _finish(run: wandb.Run, exit_code: int) -> None:
    import wandb

    try:
        run.finish(exit_code=exit_code)
    finally:
        wandb.teardown(exit_code)  # ends wandb's process, and with it the writing of the files


def _settings(wandb: Any) -> wandb.Settings:
    """Return what keeps wandb from the console and from everything that it is not told."""
    return wandb.Settings(
        silent=True,
        console="off",
        disable_code=True,
        disable_git=True,
        host="",
        reinit="create_new",
        save_code=False,
        symlink=False,  # which object stores and some mounts do not have
        x_disable_meta=True,  # the command line, the user, the host
        x_save_requirements=False,
        x_stats_disk_paths=(),
    )


def _cell(value: object) -> object:
    if not isinstance(value, Picture):
        return value
    import wandb
    from PIL import Image

    with Image.open(io.BytesIO(value.jpeg)) as image:
        return wandb.Image(image, caption=value.caption, file_type="jpg")


def _artifact(artifact: Artifact, folder: Path) -> wandb.Artifact:
    """Return an artifact as wandb knows it; what it holds is written below ``folder``."""
    import wandb
    from wandb.sdk.artifacts.artifact_manifest_entry import ArtifactManifestEntry

    made = wandb.Artifact(artifact.name, artifact.kind)
    if artifact.url:
        url = artifact.url if "://" in artifact.url else Path(artifact.url).absolute().as_uri()
        # What add_reference(checksum=False) adds for a file; of a folder it would add every file,
        # and for a bucket it wants that cloud's own library. The contents tell the version, not the
        # place: a bucket has one address here and another where it is mounted.
        digest = sha256(_json(artifact.contents)).hexdigest() if artifact.contents else url
        made.manifest.add_entry(ArtifactManifestEntry(path=artifact.kind, ref=url, digest=digest))
    if artifact.contents:
        # Not by new_file(), which writes where nothing is left when the process has ended.
        file = paths.artifact_file(folder, artifact.kind)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_json(artifact.contents))
        made.add_file(str(file), policy="immutable")
    for path in artifact.files:
        made.add_file(str(path))
    return made


def _json(contents: Mapping[str, Any]) -> bytes:
    return json.dumps(contents, indent=1, sort_keys=True).encode()
