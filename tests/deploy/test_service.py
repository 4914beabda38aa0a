"""The task given to SkyServe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir

from clipvec import config
from clipvec import version as code
from clipvec.config import DeployConfig, ServeConfig
from clipvec.deploy import service
from clipvec.errors import ConfigError
from clipvec.jobs.skypilot.tasks import as_yaml
from clipvec.paths import CONF_DIR
from tests.preloaded import Python

PACKED = Path("/here")
NOBODY = "http://127.0.0.1:9"
MOUNT = "cloud.file_mounts={/index: s3://bucket/index}"
ENVIRONMENT = f"~/clipvec/clipvec-{code.version()}-s3-serve"


def wanted(*overrides: str) -> DeployConfig:
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        return config.read(compose("deploy", overrides=list(overrides)), DeployConfig)


@pytest.fixture(autouse=True)
def no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLIPVEC_API_KEY", "HF_TOKEN", "CHROMA_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def serving(path: str, *overrides: str) -> ServeConfig:
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        composed = compose("serve", overrides=[f"index.path={path}", *overrides])
    return config.read(composed, ServeConfig)


def task(*overrides: str) -> dict[str, Any]:
    return service.task(wanted(*overrides), serving("/index"), "index.path=/index", PACKED)


def test_a_service_on_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPVEC_API_KEY", "planted")
    made = task("cloud=aws", MOUNT, "service.ondemand_replicas=1", "extras=[s3]")
    assert made["resources"] == {
        "memory": "16+",
        "disk_size": 100,
        "infra": "aws",
        "ports": 3000,
        "use_spot": True,
    }
    assert made["service"] == {
        "readiness_probe": {
            "path": "/readyz",
            "initial_delay_seconds": 1200,
            "timeout_seconds": 15,
        },
        "replica_policy": {
            "min_replicas": 1,
            "max_replicas": 3,
            "target_qps_per_replica": 20.0,
            "upscale_delay_seconds": 300,
            "downscale_delay_seconds": 1200,
            "dynamic_ondemand_fallback": True,
            "base_ondemand_fallback_replicas": 1,
        },
        "ports": 3000,
    }
    assert made["run"] == (
        f"export PATH={ENVIRONMENT}/bin:$PATH\n"
        "exec python -m bentoml serve clipvec.service.bento:Clipvec --host 0.0.0.0 --port 3000\n"
    )
    assert " s3,serve cpu 3." in made["setup"]
    assert made["envs"]["CLIPVEC_SERVE"] == "index.path=/index"
    assert made["file_mounts"] == {"/index": "s3://bucket/index"}
    assert made["secrets"] == {"CLIPVEC_API_KEY": None}
    assert "planted" not in repr(made)


@pytest.mark.parametrize(
    ("cloud", "spot"), [("slurm", False), ("lambda", False), ("gcp", True), ("kubernetes", True)]
)
def test_spot_machines_where_there_are_any(cloud: str, spot: bool) -> None:
    made = task(f"cloud={cloud}")
    assert made["resources"].get("use_spot", False) is spot
    assert ("dynamic_ondemand_fallback" in made["service"]["replica_policy"]) is spot
    assert "use_spot" not in task(f"cloud={cloud}", "service.spot=false")["resources"]
    assert {"any_of", "job_recovery"}.isdisjoint(made["resources"])


def test_a_cpu_unless_a_gpu_is_requested() -> None:
    for cloud in ("any", "lambda", "slurm"):
        assert "accelerators" not in task(f"cloud={cloud}")["resources"]
        asked = task(f"cloud={cloud}", "cloud.resources.accelerators={T4: 1}")["resources"]
        assert asked["accelerators"] == {"T4": 1}


@pytest.mark.parametrize(
    ("model", "extras"),
    [
        ([], "s3,serve"),
        (["model.runtime=onnx"], "onnx,s3,serve"),
        (["model=sample"], "s3,sample,serve"),
        (["model=sample", "model.runtime=onnx"], "onnx,s3,sample,serve"),
    ],
)
def test_the_models_extras_are_installed(model: list[str], extras: str) -> None:
    for given in ("[s3]", "[s3,serve]"):
        made = service.task(wanted(f"extras={given}"), serving("/index", *model), "", PACKED)
        assert f" {extras} cpu 3." in made["setup"]


def test_contradictory_numbers_of_replicas() -> None:
    said = r"^service.min_replicas=4 is more than service.max_replicas=3; give service.max_repl"
    with pytest.raises(ConfigError, match=said):
        service.check_replicas(wanted("service.min_replicas=4"))
    with pytest.raises(ConfigError, match=r"^service.ondemand_replicas=9 is more than service.max"):
        service.check_replicas(wanted("service.ondemand_replicas=9"))
    many = wanted("service.min_replicas=4", "service.max_replicas=4", "service.ondemand_replicas=4")
    service.check_replicas(many)


def test_other_alternatives_are_kept() -> None:
    zones = "cloud.resources.any_of=[{infra: aws/us-east-1, use_spot: true}, {infra: gcp}]"
    resources = task("cloud=any", zones)["resources"]
    assert resources["any_of"] == [{"infra": "aws/us-east-1"}, {"infra": "gcp"}]
    assert resources["use_spot"] is True


def test_skypilot_takes_the_yaml(python: Python, tmp_path: Path) -> None:
    (tmp_path / "workdir").mkdir()
    clouds = ["any", "aws", "gcp", "azure", "kubernetes", "lambda", "slurm"]
    for cloud in clouds:
        made = service.task(
            wanted(f"cloud={cloud}"), serving("/index"), "index.path=/index", tmp_path / "workdir"
        )
        (tmp_path / f"{cloud}.yaml").write_text(as_yaml(made))
    code = """
import sys, sky
from sky.serve import serve_utils
for file in sys.argv[1:]:
    task = sky.Task.from_yaml(file)
    serve_utils.validate_service_task(task, pool=False)
    spec = task.service
    print(spec.readiness_path, spec.ports, spec.min_replicas, spec.max_replicas)
"""
    said = python("-c", code, *(f"{tmp_path}/{cloud}.yaml" for cloud in clouds))
    assert said.splitlines()[-7:] == ["/readyz 3000 1 3"] * 7


def test_an_index_that_no_replica_can_reach_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^index.path=data/index is not on the machines of aws;"):
        service.check_index(serving("data/index"), wanted("cloud=aws").cloud)
    with pytest.raises(ConfigError, match=r"^index.path=data/index is not on the machines of slu"):
        service.check_index(serving("data/index"), wanted("cloud=slurm").cloud)
    with pytest.raises(ConfigError, match=r"^cloud=local is this machine, where `bentoml serve`"):
        service.check_index(serving("/data/index"), wanted("cloud=local").cloud)
    service.check_index(serving("/data/index"), wanted("cloud=slurm").cloud)
    service.check_index(serving("/index"), wanted("cloud=aws", MOUNT).cloud)


@pytest.mark.parametrize("action", ["up", "status"])
def test_a_server_that_does_not_answer(python: Python, home: Path, action: str) -> None:
    """The real client, and a port without a listener."""
    told = {"CLIPVEC_SERVE": "index.path=/data", "SKYPILOT_API_SERVER_ENDPOINT": NOBODY}
    if action != "up":  # nor do they start one here
        told = {"SKYPILOT_API_SERVER_LOCAL_PORT": NOBODY.rpartition(":")[2]}
    said = python("-m", "clipvec.deploy", action, "cloud=slurm", exit_code=1, **told)
    *warnings, error = said.splitlines()
    assert error.startswith("error: SkyPilot: its API server does not respond; start it with `sky ")
    unprotected = "CLIPVEC_API_KEY is not set: anyone who can reach the endpoint can search"
    assert warnings == ([unprotected] if action == "up" else [])
    assert not (home / ".sky/api_server/server.log").exists()


def test_a_dry_run_prints_what_skypilot_takes_and_no_secret(
    python: Python, home: Path, tmp_path: Path
) -> None:
    told = {"CLIPVEC_SERVE": "index.path=/index", "CLIPVEC_API_KEY": "planted"}
    printed = python("-m", "clipvec.deploy", "up", "cloud=aws", MOUNT, "dry_run=true", **told)
    made = yaml.safe_load(printed)
    folder = tmp_path / "data/deploy/clipvec"
    assert printed == (folder / "service.yaml").read_text()
    assert made["workdir"] == str(folder / "workdir")
    packed = sorted(file.name for file in (folder / "workdir").iterdir())
    assert packed[1:] == ["install.sh", "lock-serve.txt"]
    assert made["secrets"] == {"CLIPVEC_API_KEY": None}
    files = [file for folder in (tmp_path, home) for file in folder.rglob("*") if file.is_file()]
    planted = [f for f in files if f.suffix != ".whl" and b"planted" in f.read_bytes()]
    assert planted == []


def test_a_dry_run_refuses_what_skypilot_would(python: Python) -> None:
    told = {"CLIPVEC_SERVE": "index.path=/index", "CLIPVEC_API_KEY": "planted"}
    asked = ["up", "cloud=aws", "cloud.resources.infra=mars", MOUNT, "dry_run=true"]
    said = python("-m", "clipvec.deploy", *asked, exit_code=1, **told)
    assert said.startswith("error: SkyPilot: InvalidSkyPilotConfigError: ")
    assert "'mars' does not match" in said
    assert said.count("\n") == 1


def test_a_dry_run_needs_no_skypilot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(service, "is_installed", lambda package: package != "sky")
    monkeypatch.setattr(service, "pack", lambda folder, _: folder.mkdir(parents=True))
    monkeypatch.setenv("CLIPVEC_API_KEY", "planted")
    printed = service.up(
        wanted("cloud=aws", MOUNT, "dry_run=true"), serving("/index"), "", tmp_path
    )
    assert yaml.safe_load(printed)["secrets"] == {"CLIPVEC_API_KEY": None}
    assert caplog.messages == ["SkyPilot is not installed, and has not checked what follows"]


def test_replicas_are_checked_before_anything_is_built(python: Python, tmp_path: Path) -> None:
    told = {"CLIPVEC_SERVE": "index.path=/data"}
    asked = ["up", "cloud=slurm", "service.min_replicas=4", "dry_run=true"]
    said = python("-m", "clipvec.deploy", *asked, exit_code=2, **told)
    assert said.startswith("error: service.min_replicas=4 is more than service.max_replicas=3; ")
    assert list(tmp_path.rglob("*.whl")) == []


def test_the_served_configuration_is_checked_locally(python: Python) -> None:
    told = {"CLIPVEC_SERVE": "worker=2"}
    said = python("-m", "clipvec.deploy", "up", "cloud=slurm", exit_code=2, **told)
    assert said.startswith("error: CLIPVEC_SERVE='worker=2': ")
