"""Buckets in another cloud, or another region, than machines."""

from __future__ import annotations

import pytest

from clipvec.jobs.plan import Job
from clipvec.jobs.skypilot import egress


def lines(infra: str | None, store: str = "s3://b/store", **kwargs: object) -> list[str]:
    cloud = {"name": "any", "resources": {"infra": infra}, **kwargs}
    urls = {"dataset.path": ["gs://d/0.tar", "gs://d/1.tar"]} if store.startswith("gs") else {}
    return egress.lines([Job(0, (), (0,), cloud=cloud, folders={"store.root": store}, urls=urls)])


@pytest.mark.parametrize("infra", [None, "gcp", "gcp/us-east1", "*/us-east-1"])
def test_machines_that_may_be_in_another_cloud(infra: str | None) -> None:
    assert lines(infra) == [
        "egress: store.root=s3://b/store on AWS: machines elsewhere pay about $0.09 per GB that "
        "they exchange with it; cloud=aws cloud.resources.infra=aws/REGION keeps them in the "
        "bucket's region"
    ]


def test_machines_that_may_be_in_another_region() -> None:
    (said,) = lines("aws")
    assert "on AWS: machines in other regions pay about $0.02 per GB" in said
    assert lines("aws/us-east-1") == []


def test_what_is_read_is_named_once_for_each_cloud() -> None:
    (said,) = lines(None, "gs://b/store")
    assert said.startswith(
        "egress: store.root=gs://b/store, dataset.path=gs://d/0.tar on GCP: machines elsewhere"
    )


def test_a_mounted_bucket_is_one_too() -> None:
    (said,) = lines(None, "/b/store", file_mounts={"/b": {"source": "s3://bucket"}})
    assert said.startswith("egress: store.root=s3://bucket/store on AWS")


@pytest.mark.parametrize("store", ["/shared/store", "data/store", "https://host/store"])
def test_no_bucket(store: str) -> None:
    assert lines(None, store) == []
