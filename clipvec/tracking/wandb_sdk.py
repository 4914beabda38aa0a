"""All of clipvec's use of wandb; no other module imports it.

Much of it is private: wandb has no public way to write a run without network access, to read a
run's file, or to find the credentials it would use without a prompt.
"""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from clipvec import paths
from clipvec.errors import ConfigError
from clipvec.tracking.run import ImageCell

os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read when wandb is imported

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import requests
    import wandb

    from clipvec.config import TrackingConfig
    from clipvec.tracking.run import Artifact, LineChart, Table
    from clipvec.tracking.run_spec import RunSpec

    SdkRun: TypeAlias = wandb.Run


def open_run(config: TrackingConfig, spec: RunSpec, folder: Path) -> SdkRun:
    """Return a new run whose files are written below ``folder``.

    Raises:
        Exception: whatever wandb raises.
    """
    import wandb

    return wandb.init(
        project=config.project,
        entity=config.entity,
        group=config.group or spec.group,
        tags=config.tags,
        id=spec.id,
        name=spec.id or spec.name,
        job_type=spec.type,
        dir=str(folder),
        config=spec.config_and_sweep,
        mode="offline",
        # Keep wandb off the console, and from recording anything it was not given.
        settings=wandb.Settings(
            silent=True,
            console="off",
            disable_code=True,
            disable_git=True,
            host="",
            reinit="create_new",
            save_code=False,
            symlink=False,  # object stores and some mounts have none
            x_disable_meta=True,  # the command line, the user, the host
            x_save_requirements=False,
            x_stats_disk_paths=(),
        ),
    )


def finish_run(run: SdkRun, exit_code: int) -> None:
    """End a run and wandb's process, which writes the files."""
    import wandb

    try:
        run.finish(exit_code=exit_code)
    finally:
        wandb.teardown(exit_code)


def to_table(table: Table) -> wandb.Table:
    """Return a table as a wandb object."""
    import wandb

    cells = [[_cell(value) for value in row] for row in table.rows]
    return wandb.Table(columns=list(table.columns), data=cells)


def _cell(value: object) -> object:
    if not isinstance(value, ImageCell):
        return value
    import wandb
    from PIL import Image

    with Image.open(io.BytesIO(value.jpeg)) as image:
        return wandb.Image(image, caption=value.caption, file_type="jpg")


def to_chart(chart: LineChart) -> Any:
    """Return a chart as a wandb object."""
    from wandb import plot

    series = list(chart.points.values())
    return plot.line_series(
        xs=[[x for x, _ in points] for points in series],
        ys=[[y for _, y in points] for points in series],
        keys=list(chart.points),
        title=chart.title,
        xname=chart.x,
    )


def to_html(html: str) -> wandb.Html:
    """Return a page as a wandb object."""
    import wandb

    # inject would add wandb's own style sheet, which comes from the network
    return wandb.Html(html, inject=False)


def log_artifact(run: SdkRun, artifact: Artifact, folder: Path, *, used: bool) -> None:
    """Log an artifact as an output or input of a run; its contents are written below ``folder``."""
    made = _artifact(artifact, folder)
    if used:
        # What use_artifact() does with an artifact object; it refuses to do so offline, although
        # the files contain all that the upload needs.
        run._log_artifact(made, is_user_created=True, use_after_commit=True)
    else:
        run.log_artifact(made)


def _artifact(artifact: Artifact, folder: Path) -> wandb.Artifact:
    import wandb
    from wandb.sdk.artifacts.artifact_manifest_entry import ArtifactManifestEntry

    made = wandb.Artifact(artifact.name, artifact.kind)
    if artifact.url:
        url = artifact.url if "://" in artifact.url else Path(artifact.url).absolute().as_uri()
        # What add_reference(checksum=False) adds for a file; for a folder it would add every file,
        # and for a bucket it needs that cloud's library. The contents determine the version, not
        # the location: a bucket has one address here and another where it is mounted.
        digest = sha256(_json(artifact.contents)).hexdigest() if artifact.contents else url
        made.manifest.add_entry(ArtifactManifestEntry(path=artifact.kind, ref=url, digest=digest))
    if artifact.contents:
        # Not with new_file(), whose folder is deleted when the process exits.
        file = paths.RunPaths(folder).artifact(artifact.kind)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_json(artifact.contents))
        made.add_file(str(file), policy="immutable")
    for path in artifact.files:
        made.add_file(str(path))
    return made


def _json(contents: Mapping[str, Any]) -> bytes:
    return json.dumps(contents, indent=1, sort_keys=True).encode()


def read_records(file: Path) -> Iterator[Any]:
    """Yield the records of a ``.wandb`` file up to the first truncated one.

    Raises:
        Exception: the file ends early; the reader asserts, or raises its parser's errors.
    """
    from wandb.proto.wandb_internal_pb2 import Record
    from wandb.sdk.internal.datastore import DataStore

    store = DataStore()
    try:
        store.open_for_scan(str(file))
        while (data := store.scan_data()) is not None:
            record = Record()
            record.ParseFromString(data)
            yield record
    finally:
        if store._fp is not None:
            store._fp.close()  # the reader has no method for it


def has_credentials() -> bool:
    """Return whether wandb would find a key or a token."""
    from wandb.sdk import wandb_setup
    from wandb.sdk.lib import wbauth

    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    return wbauth.read_netrc_auth(host=wandb_setup.singleton().settings.base_url) is not None


@dataclass(frozen=True)
class Connection:
    """The server in wandb's settings, with the credentials that wandb would use."""

    url: str
    app_url: str
    """Base URL of links for browsers."""
    entity: str | None
    """The user or team in wandb's settings."""
    _auth: Any

    @classmethod
    def open(cls) -> Connection:
        """Read wandb's settings, without using the network.

        Raises:
            ConfigError: no key, or the settings do not fit.
        """
        from pydantic import ValidationError
        from wandb.errors import Error
        from wandb.sdk import wandb_setup
        from wandb.sdk.lib import wbauth

        try:
            if not has_credentials():
                raise ConfigError("no key for wandb; run wandb login, or set WANDB_API_KEY")
            settings = wandb_setup.singleton().settings
            host = wbauth.HostUrl(settings.base_url)
            auth = _credentials(host, settings.credentials_file).as_requests_auth()
        except ValidationError as error:  # its own text contains the values, and maybe the key
            wrong = "; ".join(f"{x['loc'][0]}: {x['msg']}" for x in error.errors() if x["loc"])
            raise ConfigError(f"wandb's settings do not fit: {wrong}; check WANDB_*") from None
        except (Error, ValueError) as error:
            raise ConfigError(f"wandb's settings do not fit: {error}; check WANDB_*") from None
        return cls(host.url, host.app_url, settings.entity, auth)

    def post(
        self, query: str, variables: Mapping[str, Any], timeout: tuple[float, float]
    ) -> requests.Response:
        """Return the response to a GraphQL query.

        Raises:
            ConfigError: there is no token.
            requests.RequestException: the server cannot be reached, or does not answer in time.
        """
        import requests
        from wandb.errors import Error

        try:
            return requests.post(
                f"{self.url}/graphql",
                json={"query": query, "variables": dict(variables)},
                auth=self._auth,
                timeout=timeout,
            )
        except requests.RequestException:  # some are also an OSError
            raise
        except (Error, OSError) as error:  # from the token, which is fetched for each request
            raise ConfigError(f"no token for wandb: {error}; check WANDB_IDENTITY_*") from None


def error_messages(answer: requests.Response) -> list[str]:
    """Return the error messages in the server's response, if any."""
    from wandb.util import parse_backend_error_messages

    return list(parse_backend_error_messages(answer))


def _credentials(host: Any, file: str) -> Any:
    """Return the credentials; wandb's own way to get them writes to the console."""
    from wandb.sdk.lib import wbauth

    if key := os.environ.get("WANDB_API_KEY"):
        return wbauth.AuthApiKey(host=host, api_key=key)
    if token := os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return wbauth.AuthIdentityTokenFile(host=host, path=token, credentials_file=file)
    return wbauth.AuthApiKey(host=host, api_key=wbauth.read_netrc_auth(host=host.url))
