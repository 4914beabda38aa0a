"""The query service on SkyServe, from the command line to an answer through its load balancer."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.e2e.cloud.conftest import Clipvec, Cloud
from tests.e2e.cloud.test_managed_jobs import command_lines_of_clipvec, files_with
from tests.e2e.serving import free_port
from tests.waiting import until

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(900)]

Call = Callable[..., str]
KEY = "planted-0123456789-key"
SLURM = ["cloud=slurm", "cloud.resources.memory=1+"]


def up(run: Call, index: Path) -> str:
    """Start the service `clipvec` over an index of the bundled images and return its URL."""
    # On one machine two replicas would need the same port.
    service = ["service.host=127.0.0.1", f"service.port={free_port()}", "service.max_replicas=1"]
    told = {"CLIPVEC_API_KEY": KEY, "CLIPVEC_SERVE": f"index.path={index}"}
    said = run("deploy", "up", *SLURM, *service, "extras=[sample]", **told)
    found = re.search(r"^clipvec: (http://localhost:\d+), which answers once", said, re.MULTILINE)
    assert found, said
    return found[1]


def captions(endpoint: str, key: str = KEY) -> list[str]:
    """Return the results; empty while the service does not respond yet."""
    try:
        headers = {"Authorization": f"Bearer {key}"}
        query = {"text": "a red fruit"}
        answer = httpx.post(f"{endpoint}/search", json=query, headers=headers, timeout=30)
    except httpx.TransportError:
        return []
    return [row["caption"] for row in answer.json()] if answer.status_code == 200 else []


def test_a_service_answers_loses_a_replica_and_is_taken_down(
    cloud: Cloud, start: Clipvec, run: Call, sample: Path, tmp_path: Path
) -> None:
    endpoint = up(run, sample / "data/index")
    until(lambda: captions(endpoint), pause=1)
    assert captions(endpoint)[0] == "A strawberry"
    assert captions(endpoint, "another key") == []
    ready = run("deploy", "status")
    assert f"clipvec: READY; 1 of 1 replicas ready; {endpoint}\nreplica 1: READY; http://" in ready
    again = run("deploy", "up", "cloud=slurm", exit_code=1, CLIPVEC_SERVE="index.path=/tmp")
    assert (
        "error: service.name=clipvec: SkyServe already has one of that name (READY); take" in again
    )
    other = run("deploy", "down", "service.name=other", exit_code=1)
    assert "error: service.name=other: there is no such service; SkyServe has clipvec\n" in other

    (allocation,) = cloud.slurm("squeue -h -o %A").split()
    cloud.slurm(f"scancel {allocation}")
    until(lambda: allocation not in cloud.slurm("squeue -h -o %A").split(), pause=1)
    until(lambda: captions(endpoint), 400, pause=1)
    assert "replica 2: READY" in run("deploy", "status")
    assert [line for line in command_lines_of_clipvec() if KEY in line] == []
    assert files_with(KEY, tmp_path, cloud.folder / "log", cloud.folder / "home") == []

    assert "shutting down clipvec" in run("deploy", "down")
    until(lambda: not cloud.slurm("squeue -h").strip(), 120, pause=1)
    until(lambda: start("deploy", "status").wait(60) == 1, 120)
