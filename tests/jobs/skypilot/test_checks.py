"""What is known before the first request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clipvec.config import SkyLauncher
from clipvec.jobs.plan import Job, Sweep
from clipvec.jobs.skypilot import checks

AWS = {"name": "aws", "secrets": ["HF_TOKEN"]}
SLURM = {"name": "slurm", "resources": {"infra": "slurm"}}


def refusals(*jobs: Job, pool: str | None = None) -> list[str]:
    return checks.refusals(Sweep("embed-1", "clipvec.embed", SkyLauncher(pool=pool), jobs), jobs)


@pytest.mark.parametrize(
    ("place", "store"),
    [
        ({"name": "aws"}, "s3://bucket/store"),
        ({"name": "aws", "file_mounts": {"/b": {"source": "s3://b"}}}, "/b/store"),
        ({"name": "aws", "file_mounts": {"/b/store": {"source": "s3://b"}}}, "/b/store"),
        (SLURM, "/shared/store"),
        ({"name": "any", "resources": {"any_of": [{"infra": "k8s/x"}, {"infra": "ssh"}]}}, "/s"),
    ],
)
def test_folders_that_outlive_the_machine(place: dict[str, Any], store: str) -> None:
    assert refusals(Job(0, (), cloud=place, folders={"store.root": store})) == []


@pytest.mark.parametrize(
    ("place", "index"),
    [
        ({"name": "aws"}, "data/index"),
        ({"name": "aws"}, "/disk/index"),
        (SLURM, "data/index"),
        ({"name": "slurm", "resources": {"infra": "aws"}}, "/shared/index"),
        ({"name": "any", "resources": {"any_of": [{"infra": "slurm"}, {}]}}, "/shared/index"),
        # SkyPilot copies these to the machine, and nothing back.
        ({"name": "aws", "file_mounts": {"/b": "s3://b"}}, "/b/index"),
        ({"name": "aws", "file_mounts": {"/b": {"source": "s3://b", "mode": "COPY"}}}, "/b/index"),
        ({"name": "aws", "file_mounts": {"/b": {"source": "s3://b"}}}, "/bucket/index"),
    ],
)
def test_folders_that_would_vanish_with_the_machine(place: dict[str, Any], index: str) -> None:
    job = Job(0, (), cloud=place, folders={"store.root": "s3://b/store", "index.path": index})
    (said,) = refusals(job)
    assert said.startswith(f"index.path={index} is a folder on a cloud machine, which disappears ")


@pytest.mark.parametrize(
    "place",
    [
        {"name": "aws", "file_mounts": {"/b": {"source": "s3://b", "mode": "MOUNT_CACHED"}}},
        {**SLURM, "file_mounts": {"/b": {"source": "s3://b"}}},
        {"name": "aws"},
    ],
)
def test_jobs_share_no_index_in_a_bucket(place: dict[str, Any]) -> None:
    folders = {"store.root": "s3://b/store", "index.path": "/b/index"}
    (said,) = refusals(Job(0, (), (0, 1), cloud=place, folders=folders))
    assert said.startswith("index.path=/b/index: jobs that share the shards of an index take turns")
    assert "leave shards out, so that one job builds it, or give an absolute path" in said


def test_jobs_share_an_index_on_a_shared_disk() -> None:
    folders = {"store.root": "s3://b/store", "index.path": "/nfs/index"}
    assert refusals(Job(0, (), (0, 1), cloud=SLURM, folders=folders)) == []


def test_mounts_are_refused_for_a_pool() -> None:
    place = {"name": "aws", "file_mounts": {"/b": {"source": "s3://b"}}}
    job = Job(0, (), cloud=place, folders={"store.root": "/b/store"})
    (said,) = refusals(job, pool="gpus")
    assert said.startswith("launcher.pool=gpus: a pool's machines mount only what the pool's own")


def test_machines_of_two_kinds_are_no_pool() -> None:
    def job(number: int, **resources: Any) -> Job:
        return Job(number, (), cloud={"name": "aws", "resources": resources})

    assert refusals(job(0, cpus=4), job(1, cpus=4), pool="auto") == []
    assert refusals(job(0, cpus=4), job(1, cpus=8)) == []
    assert refusals(job(0, cpus=4), job(1, cpus=8), pool="auto") == [
        "launcher.pool=auto: the machines of a pool are of one kind, and these jobs ask for 2 "
        "(aws, cpus 4; aws, cpus 8); make a sweep of each"
    ]
    (said,) = refusals(job(0, ordered=[{"cpus": 4}, {"cpus": 8}]), pool="auto")
    assert said.endswith("take no cloud.resources.ordered; use cloud.resources.any_of")


def test_a_pool_of_its_own_mounts_buckets() -> None:
    place = {"name": "aws", "file_mounts": {"/b": {"source": "s3://b"}}}
    job = Job(0, (), cloud=place, folders={"store.root": "/b/store"})
    assert refusals(job, pool="auto") == []


def test_inputs_that_only_this_machine_has() -> None:
    inputs = {"dataset.path": ["/home/me/photos"], "model.pretrained": ["local-dir:/weights"]}
    job = Job(0, (), (0,), cloud=AWS, inputs=inputs)
    first, second = refusals(job, Job(1, (), (1,), cloud=AWS, inputs=inputs))
    assert first == (
        "dataset.path=/home/me/photos is on this machine, and the machines of jobs do not have it; "
        "have SkyPilot copy it there: 'cloud.file_mounts={/input: /home/me/photos}' "
        "dataset.path=/input, or put it into a bucket and give its URL"
    )
    assert second == (
        "model.pretrained=local-dir:/weights is on this machine, and the machines of jobs do not "
        "have it; have SkyPilot copy it there: 'cloud.file_mounts={/input: /weights}' "
        "model.pretrained=local-dir:/input, or put it into a bucket and give that"
    )


@pytest.mark.parametrize(
    ("cloud", "place"),
    [
        ({"name": "aws", "file_mounts": {"/input": "/home/me/photos"}}, "/input/2024"),
        ({"name": "aws", "file_mounts": {"/w": "s3://b"}}, "local-dir:/w"),
        (SLURM, "/shared/photos"),
    ],
)
def test_inputs_that_jobs_find(cloud: dict[str, Any], place: str) -> None:
    assert refusals(Job(0, (), cloud=cloud, inputs={"dataset.path": [place]})) == []


def test_a_token_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    job = Job(0, (), cloud=AWS, variables={"HF_TOKEN": "dataset.path='a/b' is gated"})
    assert refusals(job) == [
        "dataset.path='a/b' is gated, so jobs need HF_TOKEN: put HF_TOKEN=... into the "
        "environment or into .env"
    ]
    monkeypatch.setenv("HF_TOKEN", "planted")
    assert refusals(job) == []


def test_a_token_that_jobs_are_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "planted")
    job = Job(0, (), cloud=AWS, variables={"WANDB_API_KEY": "tracking=online writes to wandb"})
    assert refusals(job) == [
        "tracking=online writes to wandb, so jobs need WANDB_API_KEY, which cloud.secrets does not "
        "name: cloud.secrets=[HF_TOKEN,WANDB_API_KEY]"
    ]


@pytest.mark.parametrize("gpus", [{"T4": 4}, "T4:4", ["L4:1", "T4:4"]])
def test_several_gpus_need_several_shards(gpus: object) -> None:
    cloud = {"name": "aws", "resources": {"accelerators": gpus}}

    def job(*shards: int, precision: str = "fp16") -> Job:
        return Job(0, (), shards, "/store", cloud=cloud, precision=precision)

    assert refusals(job(0, 1, 2), job(3)) == [
        "cloud.resources.accelerators: T4:4 is 4 GPUs, each for shards of its own, and a job has "
        "3; hydra.sweeper.shards_per_job=4 or a multiple gives work to all, and "
        "'cloud.resources.accelerators={T4: 1}' asks for machines with one"
    ]
    assert refusals(job(0, 1, 2, 3)) == []
    whole = Sweep("embed-1", "clipvec.embed", SkyLauncher(), (job(0, 1, 2, 3, 4),))
    assert checks.refusals(whole, [job(4)]) == [], "all that is missing of it"
    assert refusals(Job(0, (), cloud=cloud)) == [], "an index has no shards"


def test_a_first_try_may_leave_gpus_idle() -> None:
    cloud = {"name": "aws", "resources": {"accelerators": {"L4": 4}}}

    def first(*shards: int) -> list[str]:
        job = Job(0, (), shards, "/store", cloud=cloud, precision="bf16")
        assert refusals(job) == []
        return checks.warnings(Sweep("embed-1", "clipvec.embed", SkyLauncher(), (job,)), [job])

    assert first(0) == [
        "cloud.resources.accelerators: L4:4 is 4 GPUs, each for shards of its own: with 1 shard, "
        "3 of them will be idle"
    ]
    assert first(0, 1, 2, 3) == []


@pytest.mark.parametrize(
    ("resources", "asked", "mend"),
    [
        ({"accelerators": {"T4": 1}}, "accelerators: T4:1 is a GPU", "accelerators=null asks"),
        (
            {"accelerators": {"T4": 1, "L4": 2}},
            "accelerators: T4:1, L4:2 are GPUs",
            "accelerators=null asks",
        ),
        ({"any_of": [{"accelerators": "L4:2"}]}, "any_of: L4:2 is 2 GPUs", "any_of, which asks"),
    ],
)
@pytest.mark.parametrize(
    ("job", "idle"),
    [
        (Job(0, (), (0,), "/store", on_cpu="model.runtime=onnx"), "model.runtime=onnx"),
        (Job(0, (), (0,)), "an index"),
    ],
)
def test_gpus_of_jobs_on_the_cpu(
    job: Job, idle: str, resources: dict[str, Any], asked: str, mend: str
) -> None:
    (said,) = refusals(replace(job, cloud={"name": "aws", "resources": resources}))
    assert said.startswith(f"cloud.resources.{asked}, which {idle} leaves idle; ")
    assert said.endswith(f"cloud.resources.{mend} for machines without")


def test_several_gpus_of_which_none_or_one_would_work() -> None:
    """On model.device=cuda:0, say."""
    cloud = {"name": "aws", "resources": {"accelerators": {"T4": 4}}}
    assert refusals(Job(0, (), (0, 1, 2, 3), "/store", cloud=cloud)) == [
        "cloud.resources.accelerators: T4:4 is 4 GPUs, which only model.runtime=torch with "
        "model.device=auto uses; ask for machines with one: 'cloud.resources.accelerators={T4: 1}'"
    ]
    listed = {"name": "aws", "resources": {"any_of": [{"accelerators": "T4:4"}]}}
    (said,) = refusals(Job(0, (), (0, 1, 2, 3), "/store", cloud=listed))
    assert said.endswith("machines with one: accelerators={T4: 1} in cloud.resources.any_of")
