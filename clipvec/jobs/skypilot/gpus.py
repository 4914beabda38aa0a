"""The GPUs that the machine of a job may have, whichever of its alternatives SkyPilot finds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_BF16 = re.compile(
    r"a10g?|a30|a40|a100.*|a[2456]000.*|l4|l40s?|gh200.*|h[12]00.*|[bg]b?[23]00.*|rtx[3-6]0\d\d.*",
    re.IGNORECASE,
)
"""Names of GPUs with native bf16, Ampere and later; fp16 is native to all others as well."""

_LISTS = ("any_of", "ordered")
"""Options of ``cloud.resources`` that list alternatives."""

ACCELERATORS = "cloud.resources.accelerators"
"""The option that asks for GPUs, where no alternative does so itself."""

OWN = frozenset({"slurm", "kubernetes", "k8s", "ssh"})
"""Clouds of one's own machines: they have no price, and may share a folder with this one."""


def alternatives(cloud: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the resources of each alternative of the ``cloud`` group, at least one."""
    resources = dict(cloud.get("resources", {}))
    listed = [resources.pop(key, None) for key in _LISTS]
    chosen: list[dict[str, Any]] = next((each for each in listed if each), [{}])
    return [{**resources, **each} for each in chosen]


def asked_in(cloud: Mapping[str, Any]) -> str:
    """Return the option that asks for GPUs: one of the lists of alternatives where those do."""
    resources = cloud.get("resources", {})
    for name in _LISTS:
        if any(each.get("accelerators") for each in resources.get(name) or ()):
            return f"cloud.resources.{name}"
    return ACCELERATORS


def place(resources: Mapping[str, Any]) -> list[str]:
    """Return cloud, region and zone of ``infra``, as far as they are given; ``*``: any."""
    return str(resources.get("infra") or "*").lower().split("/")


def requested(resources: Mapping[str, Any]) -> dict[str, float | None]:
    """Return GPUs, in lower case, and their counts, from ``{T4: 1}``, ``[T4:1]`` or ``T4:1``."""
    accelerators = resources.get("accelerators")
    if isinstance(accelerators, dict):
        accelerators = [f"{name}:{count}" for name, count in accelerators.items()]
    listed = accelerators if isinstance(accelerators, list) else [accelerators or ""]
    pairs = [str(entry).lower().partition(":") for entry in listed]
    return {name: number(count or "1") for name, _, count in pairs if name}


def counted(cloud: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return the GPUs that a machine may have, in lower case, each with a count of them."""
    wanted = [requested(each) for each in alternatives(cloud)]
    pairs = dict.fromkeys(pair for gpu in wanted for pair in gpu.items())
    return [(name, int(count)) for name, count in pairs if count and count.is_integer()]


def precision(cloud: Mapping[str, Any]) -> str | None:
    """Return the fastest precision that is native to every machine a job may get; None: unknown."""
    machines = alternatives(cloud)
    if any(each.get("instance_type") and not requested(each) for each in machines):
        return None
    if not all(requested(each) for each in machines):
        return "fp32"  # some processors have bf16, and others not
    names = [name for each in machines for name in requested(each)]
    return "bf16" if all(map(_BF16.fullmatch, names)) else "fp16"


def number(text: str) -> float | None:
    """Return the number that a text stands for, if it does."""
    try:
        return float(text)
    except ValueError:
        return None
