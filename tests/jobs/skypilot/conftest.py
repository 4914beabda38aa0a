"""Shared by tests of SkyPilot's jobs."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from clipvec.config import SkyLauncher
from clipvec.jobs.plan import Job, Sweep

# The rows are from SkyPilot's catalogues of version 8.
AWS = """\
InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,GpuInfo,Price,SpotPrice,Region,AvailabilityZone,Arch
a1.2xlarge,,,8.0,16.0,,0.204,0.105600,us-east-2,use2-az1,arm64
g4dn.xlarge,T4,1.0,4.0,16.0,"{'Gpus': [{'Name': 'T4'}]}",0.526,0.176800,us-east-1,use1-az2,x86_64
g4dn.xlarge,T4,1.0,4.0,16.0,"{'Gpus': [{'Name': 'T4'}]}",0.587,0.152300,eu-west-1,euw1-az1,x86_64
g4dn.2xlarge,T4,1.0,8.0,32.0,"{'Gpus': [{'Name': 'T4'}]}",0.752,0.301700,us-east-1,use1-az2,x86_64
g4dn.2xlarge,T4,1.0,8.0,32.0,"{'Gpus': [{'Name': 'T4'}]}",0.752,0.288400,us-east-1,use1-az4,x86_64
g4dn.2xlarge,T4,1.0,8.0,32.0,"{'Gpus': [{'Name': 'T4'}]}",0.838,0.261100,eu-west-1,euw1-az1,x86_64
g4dn.12xlarge,T4,4.0,48.0,192.0,"{'Gpus': [{}]}",3.912,1.297400,us-east-1,use1-az2,x86_64
g5.2xlarge,A10G,1.0,8.0,32.0,"{'Gpus': [{'Name': 'A10G'}]}",1.212,,us-east-1,use1-az2,x86_64
"""
GCP = """\
InstanceType,vCPUs,MemoryGiB,AcceleratorName,AcceleratorCount,GpuInfo,Region,AvailabilityZone,Price,SpotPrice
n1-standard-8,8.0,30.0,,,,us-central1,us-central1-a,0.38,0.08
,,,T4,1.0,"{'Gpus': [{'Name': 'T4'}]}",us-central1,us-central1-a,0.35,0.14
"""
LAMBDA = """\
InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,Region,GpuInfo,SpotPrice
gpu_1x_a6000,A6000,1.0,14.0,100.0,1.09,us-east-1,"{'Gpus': [{'Name': 'A6000'}]}",
gpu_1x_a10,A10,1.0,30.0,200.0,0.75,us-east-1,"{'Gpus': [{'Name': 'A10'}]}",
"""
CLOUD = {"name": "aws", "resources": {"infra": "aws"}, "secrets": ["HF_TOKEN"]}


def sweep(*jobs: Job, **options: Any) -> Sweep:
    return Sweep("embed-1", "clipvec.embed", SkyLauncher(**options), jobs)


def job(number: int, *shards: int, model: str = "toy") -> Job:
    return Job(number, (f"model={model}",), shards, f"s3://b/{model}", CLOUD)


class StandIn(types.ModuleType):
    """SkyPilot's API server, which runs jobs for money or not at all, answered for here."""

    def __init__(self) -> None:
        super().__init__("sky")
        self.launched: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.jobs = types.ModuleType("sky.jobs")
        self.pools: dict[str, Any] = {}
        self.pool = "READY"
        self.jobs.__dict__.update(
            launch=self.launch,
            queue_v2=self.queue,
            cancel=self.cancel,
            pool_status=lambda name: [{"status": self.pool}] if name in self.pools else [],
            pool_apply=lambda task, name, mode: self.pools.update({name: (task, mode)}),
            pool_down=self.pools.pop,
        )
        self.serve = types.ModuleType("sky.serve")
        self.serve.__dict__.update(UpdateMode=types.SimpleNamespace(ROLLING="rolling"))
        self.Task = types.SimpleNamespace(from_yaml_config=lambda task, **kwargs: (task, kwargs))

    def launch(self, task: Any, **kwargs: Any) -> Any:
        self.launched.append({"task": task[0], **task[1], **kwargs})
        first = 10 * len(self.launched)
        return list(range(first, first + (kwargs["num_jobs"] or 1))), None

    def queue(self, **kwargs: Any) -> Any:
        self.asked.append(kwargs)
        rows = [
            {"job_id": 7, "status": "RUNNING", "failure_reason": None, "recovery_count": 1},
            {"job_id": 8, "status": "SUCCEEDED", "failure_reason": None, "recovery_count": 0},
        ]
        return rows, 2, {}, 2

    def cancel(self, **kwargs: Any) -> None:
        self.asked.append(kwargs)

    def get(self, request: Any) -> Any:
        return request


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    sky = StandIn()
    monkeypatch.setitem(sys.modules, "sky", sky)
    monkeypatch.setitem(sys.modules, "sky.jobs", sky.jobs)
    return sky


@pytest.fixture
def price_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the price lists of three clouds, and one that an older SkyPilot left behind."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SKY_RUNTIME_DIR", raising=False)
    stale = AWS.replace("0.752", "0.002")
    for name, text in {
        "v8/aws": AWS,
        "v8/gcp": GCP,
        "v8/lambda": LAMBDA,
        "v7/aws": stale,
        "v10.old/aws": stale,
    }.items():
        folder = tmp_path / ".sky/catalogs" / name
        folder.mkdir(parents=True)
        (folder / "vms.csv").write_text(text)
    return tmp_path
