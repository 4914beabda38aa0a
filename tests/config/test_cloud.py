"""The ``cloud`` group, composed by Hydra from the command line."""

from __future__ import annotations

import json

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from clipvec import config
from clipvec.config import CloudConfig
from clipvec.config.cloud import RESOURCES
from clipvec.errors import ConfigError
from clipvec.paths import CONF_DIR
from tests.preloaded import Python


def cloud(*overrides: str, command: str = "embed") -> CloudConfig:
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        cfg = compose(command, overrides=list(overrides)).cloud
    return config.from_dict({"cloud": OmegaConf.to_container(cfg)}, dict[str, CloudConfig])["cloud"]


def test_a_given_mapping_replaces_the_default() -> None:
    given = "cloud.resources.accelerators={L4: 1}"
    assert cloud("cloud=any", given).resources["accelerators"] == {"L4": 1}
    recovery = cloud("cloud=aws", "cloud.resources.job_recovery={strategy: FAILOVER}").resources
    assert recovery["job_recovery"] == {"strategy": "FAILOVER"}
    mounts = "cloud.file_mounts={/b: {source: s3://b, mode: MOUNT_CACHED}}"
    assert cloud(mounts).file_mounts == {"/b": {"source": "s3://b", "mode": "MOUNT_CACHED"}}


def test_a_cloud_with_its_own_gpus_requests_no_others() -> None:
    assert cloud("cloud=lambda").resources == {
        "infra": "lambda",
        "accelerators": {"A10": 1, "A6000": 1, "A100": 1},
        "memory": "32+",
        "disk_size": 100,
        "job_recovery": {
            "strategy": "EAGER_NEXT_REGION",
            "max_restarts_on_errors": 0,
            "recover_on_exit_codes": [143],
        },
    }


@pytest.mark.parametrize(
    ("command", "memory"),
    [("embed", "32+"), ("recall", "32+"), ("index", "16+"), ("deploy", "16+")],
)
def test_memory_and_disk_are_those_of_the_role(command: str, memory: str) -> None:
    resources = cloud("cloud=aws", command=command).resources
    assert (resources["memory"], resources["disk_size"]) == (memory, 100)
    for name in ("kubernetes", "slurm"):  # nodes have the disks that they have
        assert "disk_size" not in cloud(f"cloud={name}", command=command).resources


@pytest.mark.parametrize("key", RESOURCES)
def test_every_key_is_set_without_a_plus(key: str) -> None:
    assert cloud(f"cloud.resources.{key}=1").resources == {key: 1}


def test_an_unknown_key_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        cloud("+cloud.resources.gpus=1")
    assert str(caught.value).startswith(
        "cloud.resources: gpus is not one of SkyPilot's resources: accelerator_args, accelerators, "
    )


@pytest.mark.parametrize("key", ["any_of", "ordered"])
def test_alternatives_have_the_same_keys(key: str) -> None:
    """Of which SkyPilot would take ``gpus`` for ``accelerators``, and nobody else."""
    chosen = "[{accelerators: L4:1, use_spot: true}, {cpus: 8+}]"
    assert len(cloud(f"cloud.resources.{key}={chosen}").resources[key]) == 2
    with pytest.raises(ConfigError, match="gpus, region is not one of SkyPilot's resources: acc"):
        cloud(f"cloud.resources.{key}=[{{gpus: L4:1}}, {{cpus: 8+, region: us-east-1}}]")


def test_skypilot_takes_the_same_keys(python: Python) -> None:
    code = (
        "import json; from sky.utils import schemas\n"
        "print(json.dumps(list(schemas.get_resources_schema()['properties'])))"
    )
    theirs = {key for key in json.loads(python("-c", code)) if not key.startswith("_")}
    assert set(RESOURCES) == theirs - {"cloud", "region", "zone"}
