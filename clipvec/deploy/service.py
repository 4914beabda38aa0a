"""The query service on SkyServe: its task, and its status."""

from __future__ import annotations

import logging
import os
import shlex
from typing import TYPE_CHECKING, Any

from clipvec import config, paths, version
from clipvec.errors import ConfigError, LaunchError
from clipvec.extras import is_installed
from clipvec.jobs import (
    as_yaml,
    connect,
    install_and_run,
    is_below,
    is_shared,
    pack,
    require_server,
    status_name,
    to_task,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from clipvec.config import DeployConfig, ServeConfig

log = logging.getLogger(__name__)


def up(wanted: DeployConfig, serve: ServeConfig, overrides: str, folder: Path) -> str:
    """Start the service, or only write its YAML, which SkyPilot checks, and return a message.

    Args:
        wanted: the deployment.
        serve: the service's configuration; its index must exist on the replicas.
        overrides: the same as text, from CLIPVEC_SERVE.
        folder: where the wheel and the YAML go.

    Raises:
        ConfigError: a replica would not find its index, the numbers of replicas contradict each
            other, or the wheel cannot be built.
        LaunchError: SkyPilot refuses, or already has a service of that name.
    """
    check_index(serve, wanted.cloud)
    check_replicas(wanted)
    if not os.environ.get(config.API_KEY):
        log.warning("%s is not set: anyone who can reach the endpoint can search", config.API_KEY)
    packed = paths.DeployPaths(folder.absolute()).workdir
    pack(packed, [extras(wanted, serve)])
    made = task(wanted, serve, overrides, packed)
    written = paths.DeployPaths(folder).service
    written.write_text(as_yaml(made), encoding="utf-8")
    name = wanted.service.name
    if wanted.dry_run and not is_installed("sky"):
        log.warning("SkyPilot is not installed, and has not checked what follows")
        return written.read_text(encoding="utf-8").rstrip("\n")
    with connect() as sky:
        started = to_task(sky, made)
        sky.serve.validate_service_task(started, pool=False)
        if wanted.dry_run:
            return written.read_text(encoding="utf-8").rstrip("\n")
        if record := _records(sky).get(name):
            raise LaunchError(
                f"service.name={name}: SkyServe already has one of that name "
                f"({status_name(record['status'])}); "
                "take it down with clipvec deploy down, or give this one another name"
            )
        _, endpoint = sky.get(sky.serve.up(started, name, _need_confirmation=False))
    return (
        f"{name}: {endpoint}, which answers once a replica is ready; "
        f"clipvec deploy status service.name={name} says when"
    )


def task(wanted: DeployConfig, serve: ServeConfig, overrides: str, packed: Path) -> dict[str, Any]:
    """Return what `sky serve up` and `sky launch` accept as YAML, without the values of secrets.

    Args:
        wanted: the deployment.
        serve: the service's configuration.
        overrides: the same as text, for CLIPVEC_SERVE.
        packed: the folder to send to the machines.
    """
    service, cloud = wanted.service, config.to_dict(wanted.cloud)
    cloud["resources"], spot = _of_service(cloud["resources"])
    spot = spot and service.spot
    cloud["resources"] |= {"ports": service.port, **({"use_spot": True} if spot else {})}
    policy: dict[str, Any] = {
        "min_replicas": service.min_replicas,
        "max_replicas": service.max_replicas,
        "target_qps_per_replica": service.target_qps_per_replica,
        "upscale_delay_seconds": service.upscale_delay_seconds,
        "downscale_delay_seconds": service.downscale_delay_seconds,
    }
    if spot:
        policy["dynamic_ondemand_fallback"] = True
        policy["base_ondemand_fallback_replicas"] = service.ondemand_replicas
    command = ["python", "-m", "bentoml", "serve", "clipvec.service.bento:Clipvec"]
    command += ["--host", service.host, "--port", str(service.port)]
    made = install_and_run(
        service.name,
        f"{service.name}-{version.version()}",
        cloud,
        packed,
        extras(wanted, serve),
        f"exec {shlex.join(command)}\n",
        {"CLIPVEC_SERVE": overrides, "BENTOML_DO_NOT_TRACK": "True"},
    )
    probe = {
        "path": "/readyz",
        "initial_delay_seconds": service.initial_delay_seconds,
        "timeout_seconds": service.probe_timeout_seconds,
    }
    # Unlike its command line, SkyServe's SDK does not take the port from the resources.
    about = {"readiness_probe": probe, "replica_policy": policy, "ports": service.port}
    return {**made, "service": about}


def extras(wanted: DeployConfig, serve: ServeConfig) -> list[str]:
    """Return the extras of clipvec to install on replicas."""
    return sorted({*config.extras_for(serve), *wanted.extras})


def _of_service(resources: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return the resources in SkyServe's form, and whether they include spot machines.

    It recovers replicas itself, and mixes spot and on-demand machines by its own policy.
    """
    ours = {"any_of", "job_recovery", "use_spot"}
    given = resources.get("any_of") or []
    spot = any(one.get("use_spot") for one in (resources, *given))
    rest = [{k: v for k, v in one.items() if k != "use_spot"} for one in given]
    found = {k: v for k, v in resources.items() if k not in ours}
    return found | ({"any_of": rest} if any(rest) else {}), spot


def check_index(serve: ServeConfig, cloud: config.CloudConfig) -> None:
    """Refuse an index that no replica would find.

    Raises:
        ConfigError: with alternatives.
    """
    if cloud.name == "local":
        raise ConfigError("cloud=local is this machine, where `bentoml serve` serves; cloud=any")
    folder = serve.index.folder
    if folder is not None:
        mounted = any(is_below(folder, target) for target in cloud.file_mounts)
        if not mounted and not is_shared(config.to_dict(cloud), folder):
            raise ConfigError(
                f"index.path={folder} is not on the machines of {cloud.name}; mount the "
                "index there and give its path: CLIPVEC_SERVE=index.path=/index and "
                "'cloud.file_mounts={/index: s3://bucket/index}'; on slurm and kubernetes an "
                "absolute path that all machines share will do"
            )


def check_replicas(wanted: DeployConfig) -> None:
    """Refuse minimum or on-demand replicas that exceed the maximum.

    Raises:
        ConfigError: with both numbers.
    """
    service = wanted.service
    for option in ("min_replicas", "ondemand_replicas"):
        number = getattr(service, option)
        if number > service.max_replicas:
            raise ConfigError(
                f"service.{option}={number} is more than service.max_replicas="
                f"{service.max_replicas}; give service.max_replicas={number}, or fewer of the other"
            )


def status(name: str) -> str:
    """Return a service's status: one line, and one per replica.

    Raises:
        LaunchError: SkyPilot's server does not answer, or there is no such service.
    """
    with connect() as sky:
        require_server(sky)
        record = _record(sky, name)
    replicas = record["replica_info"]
    ready = sum(status_name(replica["status"]) == "READY" for replica in replicas)
    lines = [
        f"{name}: {status_name(record['status'])}; {ready} of {len(replicas)} replicas ready; "
        f"{record['endpoint']}"
    ]
    lines += [
        f"replica {replica['replica_id']}: {status_name(replica['status'])}; "
        f"{replica['endpoint'] or '-'}"
        for replica in replicas
    ]
    return "\n".join(lines)


def down(name: str) -> None:
    """Take a service down.

    Raises:
        LaunchError: SkyPilot's server does not answer, or there is no such service.
    """
    with connect() as sky:
        require_server(sky)
        _record(sky, name)
        sky.get(sky.serve.down(name))


def _record(sky: Any, name: str) -> dict[str, Any]:
    records = _records(sky)
    if name not in records:
        known = ", ".join(sorted(records)) or "none"
        raise LaunchError(f"service.name={name}: there is no such service; SkyServe has {known}")
    return records[name]


def _records(sky: Any) -> dict[str, dict[str, Any]]:
    """Return SkyServe's records of its services, by name."""
    try:
        found = sky.get(sky.serve.status(None))
    except sky.exceptions.ClusterNotUpError:
        return {}  # no service was ever started
    return {record["name"]: record for record in found}
