"""The ``cloud`` group: the machines of jobs, in SkyPilot's own words."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from clipvec.config.fields import STRICT, EnvironmentName, Name

RESOURCES = (
    *("accelerator_args", "accelerators", "any_of", "autostop", "cpus", "disk_size", "disk_tier"),
    *("ephemeral_storage", "image_id", "infra", "instance_type", "job_recovery", "labels"),
    *("local_disk", "max_hourly_cost", "memory", "network_tier", "ordered", "ports", "priority"),
    *("priority_class", "use_spot", "volumes"),
)
"""What SkyPilot's ``resources:`` takes. Its older ``cloud``, ``region`` and ``zone`` are ``infra``
today: ``infra: aws/us-east-1``."""


def _known(resources: Any) -> dict[str, Any]:
    if not isinstance(resources, dict):
        raise PydanticCustomError("resources", "a mapping, as SkyPilot's resources are")
    parts = [resources, *_alternatives(resources)]
    unknown = [key for part in parts for key in part if key not in RESOURCES]
    if unknown:
        raise PydanticCustomError(
            "resources",
            "{unknown} is not one of SkyPilot's resources: {known}",
            {"unknown": ", ".join(unknown), "known": ", ".join(RESOURCES)},
        )
    return {key: value for key, value in resources.items() if value is not None}


def _alternatives(resources: dict[str, Any]) -> list[dict[str, Any]]:
    listed = [resources.get(key) for key in ("any_of", "ordered")]
    alternatives = [one for each in listed if isinstance(each, list) for one in each]
    return [one for one in alternatives if isinstance(one, dict)]


def _mapping(value: object) -> object:
    """Return the mapping that text such as ``{T4: 1}`` stands for; anything else unchanged.

    Defaults of mappings are text in the YAML files. Hydra merges a mapping into the mapping below
    it, so that ``cloud.resources.accelerators={L4: 1}`` would ask for one GPU more than before.
    """
    if isinstance(value, str) and value.startswith("{"):
        import yaml

        return yaml.safe_load(value)
    return value


def _mappings(values: object) -> object:
    if isinstance(values, dict):
        return {key: _mapping(value) for key, value in values.items()}
    return {} if values is None else values


# Not a dict for all to see: users add no keys of their own.
Resources = Annotated[Any, BeforeValidator(_mappings), AfterValidator(_known)]
Mounts = Annotated[dict[str, Any], BeforeValidator(_mappings)]


@dataclass(frozen=True, config=STRICT)
class CloudConfig:
    """Where jobs run."""

    name: Name
    """Name of the cloud in messages."""
    resources: Resources = Field(default_factory=dict)
    """SkyPilot's ``resources:``."""
    image: str | None = None
    """Docker image (``docker:...``) or machine image whose Python has everything that clipvec
    needs, so jobs install only clipvec; null: each job creates its own environment."""
    setup: str = ""
    """Shell lines that run on a new machine before clipvec is installed on it."""
    file_mounts: Mounts = Field(default_factory=dict)
    """SkyPilot's ``file_mounts:``, such as ``{/store: s3://bucket}``."""
    secrets: list[EnvironmentName] = Field(default_factory=list)
    """Environment variables passed to jobs as SkyPilot secrets, if they are set."""
