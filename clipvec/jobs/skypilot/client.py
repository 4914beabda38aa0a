"""SkyPilot's client: the only module that imports ``sky``."""

from __future__ import annotations

import os
from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from clipvec.errors import LaunchError, brief

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

_FIXES = {
    "NoCloudAccessError": "no cloud is enabled; `sky check` shows what each one lacks",
    "ApiServerConnectionError": "its API server does not respond; start it with `sky api start`",
    "ApiServerAuthenticationError": "its API server requires a login: `sky api login`",
    "APIVersionMismatchError": "client and API server versions differ; restart the server: "
    "`sky api stop`",
    "ResourcesUnavailableError": "no cloud has these resources; `sky check` and `sky gpus list` "
    "list what is available, and cloud.resources selects it",
    "PoolDoesNotExistError": "launcher.pool does not exist; `sky jobs pool status` lists all pools",
}


@contextmanager
def connect() -> Iterator[Any]:
    """Import SkyPilot and turn its errors into one line each."""
    try:
        import sky
        import sky.jobs
    except ImportError as error:
        raise LaunchError(
            f"SkyPilot is not installed ({error}); install it with the clouds you use: "
            "pip install 'clipvec[sky]' 'skypilot[aws]'"
        ) from error
    try:
        yield sky
    except (LaunchError, GeneratorExit):
        raise
    except Exception as error:
        kind = type(error).__name__
        said = brief(error, 500)
        fix = _FIXES.get(kind)
        raise LaunchError(
            f"SkyPilot: {fix} ({kind}: {said})" if fix else f"SkyPilot: {kind}: {said}"
        ) from error


def require_server(sky: ModuleType) -> None:
    """Refuse where no API server answers; asked for anything else, SkyPilot would start one.

    Raises:
        LaunchError: with how to start one.
    """
    try:
        sky.api_info()
    except OSError as error:  # of requests; one with a response is for the request that follows
        if getattr(error, "response", None) is None:
            raise LaunchError(
                f"SkyPilot: {_FIXES['ApiServerConnectionError']} if something was deployed, and "
                f"run the same command again ({type(error).__name__})"
            ) from error


def to_task(sky: ModuleType, task: Mapping[str, Any]) -> Any:
    """Return SkyPilot's own object, which it refuses to make of what it does not understand."""
    secrets = [(name, os.environ[name]) for name in task.get("secrets", {})]
    # which changes the mappings within what it is given
    return sky.Task.from_yaml_config(deepcopy(dict(task)), secrets_overrides=secrets)


def status_name(status: object) -> str:
    """Return a status of SkyPilot's as it prints it."""
    return str(getattr(status, "value", status))
