"""What it costs that buckets are in another cloud, or another region, than machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.jobs.skypilot import gpus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from clipvec.jobs.plan import Job

_CLOUDS = {"s3": "aws", "s3a": "aws", "gs": "gcp", "gcs": "gcp", "az": "azure", "abfs": "azure"}
"""Where the buckets of a URL's scheme are."""
_NAMES = {"aws": "AWS", "gcp": "GCP", "azure": "Azure"}
_OUT = {"aws": 0.09, "gcp": 0.12, "azure": 0.09}
"""US dollars per GB that leaves the cloud, by their price lists for the first 10 TB (GCP: 1 TB)."""
_ACROSS = 0.02
"""US dollars per GB that goes to another region of the same cloud and continent."""


def lines(jobs: Sequence[Job]) -> list[str]:
    """Return a line for each cloud with buckets that some machines would pay to reach."""
    found = {}
    for cloud, options in _buckets(jobs).items():
        places = {place for job in jobs for place in _places(job.cloud)}
        inside = all(place[0] == cloud for place in places)
        if inside and all(len(place) > 1 for place in places):
            continue  # in a region that was chosen
        price = _ACROSS if inside else _OUT[cloud]
        where = "in other regions" if inside else "elsewhere"
        found[cloud] = (
            f"egress: {', '.join(options)} on {_NAMES[cloud]}: machines {where} pay about "
            f"${price:.2f} per GB that they exchange with it; cloud={cloud} "
            f"cloud.resources.infra={cloud}/REGION keeps them in the bucket's region"
        )
    return list(found.values())


def _buckets(jobs: Sequence[Job]) -> dict[str, dict[str, None]]:
    """Return the options that name buckets, with their values, by cloud."""
    found: dict[str, dict[str, None]] = {}
    for job in jobs:
        written = {option: [job.visible(folder)] for option, folder in job.folders.items()}
        for option, places in (written | job.urls).items():
            for place in places[:1]:
                if cloud := _CLOUDS.get(place.partition("://")[0]):
                    found.setdefault(cloud, {})[f"{option}={place}"] = None
    return found


def _places(cloud: Mapping[str, object]) -> Iterator[tuple[str, ...]]:
    """Yield the cloud, and the region if it is chosen, of each alternative; ``*``: any."""
    for each in gpus.alternatives(cloud):
        parts = gpus.place(each)
        yield tuple(parts[:2]) if parts[1:] and parts[1] != "*" else (parts[0],)
