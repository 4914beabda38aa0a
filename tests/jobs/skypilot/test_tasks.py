"""The tasks given to SkyPilot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from clipvec import version
from clipvec.config import CloudConfig, SkyLauncher, from_dict, to_dict
from clipvec.jobs.plan import Job, Sweep
from clipvec.jobs.skypilot import tasks
from clipvec.paths import CONF_DIR

ENVIRONMENT = f"export PATH=~/clipvec/embed-1-{version.version()}/bin:$PATH\n"
PACKED = Path("/here")


def cloud(name: str) -> dict[str, Any]:
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        cfg = compose("embed", overrides=[f"cloud={name}"])
    return to_dict(from_dict(OmegaConf.to_container(cfg.cloud), CloudConfig))


def sweep(*jobs: Job) -> Sweep:
    return Sweep("embed-1", "clipvec.embed", SkyLauncher(), jobs)


def job(number: int, *shards: int, model: str = "sample", **kwargs: Any) -> Job:
    place = kwargs.pop("cloud", cloud("slurm"))
    return Job(number, (f"model={model}",), shards, "/store/sample/sample", place, **kwargs)


def test_jobs_that_differ_in_shards_are_one_submission() -> None:
    made = sweep(job(0, 0, 1, 2), job(1, 3, 4), job(2, 7, 9, extras=()))
    (submission,) = tasks.tasks(made, made.jobs, PACKED)
    assert submission.name == "clipvec-embed-1"
    assert submission.num_jobs == 3
    assert submission.task["run"] == (
        f"{ENVIRONMENT}"
        "shards=(0-2 3-4 7,9)\n"
        "exec python -m clipvec.embed model=sample launcher=local "
        "\"shards='${shards[${SKYPILOT_JOB_RANK:-0}]}'\"\n"
    )
    assert submission.task["workdir"] == "/here"
    assert "file_mounts" not in submission.task
    assert submission.task["envs"] == {
        "CLIPVEC_SWEEP": "embed-1",
        "CLIPVEC_RUN": "embed-1",
        "CLIPVEC_CODE": version.version(),
    }


@pytest.mark.parametrize(("rank", "spec"), [("0", "0-2"), ("2", "7,9"), ("", "0-2")])
def test_the_script_takes_the_shards_of_its_rank(tmp_path: Path, rank: str, spec: str) -> None:
    """The real script, with a ``python`` that prints its arguments."""
    made = sweep(*(job(n, *s) for n, s in enumerate([(0, 1, 2), (3, 4), (7, 9)])))
    program = tmp_path / "python"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"} | (
        {"SKYPILOT_JOB_RANK": rank} if rank else {}
    )
    script = tasks.tasks(made, made.jobs, PACKED)[0].task["run"]
    done = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[-2] == f"shards='{spec}'"


def test_jobs_that_may_have_gpus_use_each_of_them() -> None:
    made = sweep(job(0, 0, 1, 2, precision="fp16"))
    script = tasks.tasks(made, made.jobs, PACKED)[0].task["run"]
    assert "\nexec python -m clipvec.jobs.skypilot.each_gpu -m clipvec.embed model=sample" in script
    assert script.endswith(" \"shards='${shards[${SKYPILOT_JOB_RANK:-0}]}'\"\n")


def test_other_differences_make_separate_submissions() -> None:
    made = sweep(job(0, 0), job(1, 1), job(2, 0, model="vit_b_32"))
    first, second = tasks.tasks(made, made.jobs, PACKED)
    assert (first.name, first.num_jobs) == ("clipvec-embed-1-0-1", 2)
    assert (second.name, second.num_jobs) == ("clipvec-embed-1-0", 1)


def test_a_command_without_shards() -> None:
    made = Sweep("embed-1", "clipvec.index", SkyLauncher(), (Job(0, ("rebuild=true",)),))
    assert tasks.tasks(made, made.jobs, PACKED)[0].task["run"] == (
        f"{ENVIRONMENT}exec python -m clipvec.index rebuild=true launcher=local\n"
    )


def test_jobs_share_the_shards_of_an_index() -> None:
    given = ("index=faiss", "num_shards=4")
    jobs = (Job(0, given, (0, 1)), Job(1, given, (2, 3)))
    made = Sweep("embed-1", "clipvec.index", SkyLauncher(), jobs)
    (submission,) = tasks.tasks(made, jobs, PACKED)
    assert submission.num_jobs == 2
    assert submission.task["run"] == (
        f"{ENVIRONMENT}shards=(0-1 2-3)\n"
        "exec python -m clipvec.index index=faiss num_shards=4 launcher=local "
        "\"shards='${shards[${SKYPILOT_JOB_RANK:-0}]}'\"\n"
    )


def test_setup_installs_the_extras() -> None:
    place = cloud("slurm") | {"setup": "module load cuda"}
    made = sweep(job(0, 0, cloud=place, extras=("s3", "sample")))
    before, module, install = tasks.tasks(made, made.jobs, PACKED)[0].task["setup"].splitlines()
    assert (before, module) == ("set -e", "module load cuda")
    name = f"embed-1-{version.version()}-s3-sample"
    assert install.startswith(f"bash ~/sky_workdir/install.sh {name} s3,sample cpu 3.")


def test_an_image() -> None:
    place = {"resources": {"cpus": "4+"}, "image": "docker:me/clipvec:1"}
    task = tasks.tasks(sweep(job(0, 0, cloud=place)), [job(0, 0, cloud=place)], PACKED)[0].task
    assert task["resources"] == {"cpus": "4+", "image_id": "docker:me/clipvec:1"}
    assert task["setup"].split()[-2] == "image"


def test_a_pool_gets_everything_in_the_job_script() -> None:
    """SkyPilot uses ``sky exec`` there, which neither runs setup nor mounts."""
    alone = sweep(job(0, 0))
    pooled = Sweep("embed-1", "clipvec.embed", SkyLauncher(pool="gpus"), alone.jobs)
    one = tasks.tasks(alone, alone.jobs, PACKED)[0].task
    other = tasks.tasks(pooled, pooled.jobs, PACKED)[0].task
    assert other == {
        **{k: v for k, v in one.items() if k != "setup"},
        "run": one["setup"] + one["run"],
    }


def test_the_pool_of_a_sweep_has_all_but_the_script() -> None:
    place = cloud("aws") | {"file_mounts": {"/b": {"source": "s3://b"}}}
    jobs = (job(0, 0, cloud=place), job(1, 1, cloud=place, extras=("s3",)))
    alone = Sweep("embed-1", "clipvec.embed", SkyLauncher(), jobs)
    pooled = Sweep("embed-1", "clipvec.embed", SkyLauncher(pool="auto", pool_workers=4), jobs)
    assert tasks.pool(pooled) == "clipvec-embed-1"
    made = tasks.pool_task(pooled, jobs, PACKED)
    assert made["pool"] == {"workers": 2}, "no more than jobs"
    assert (made["workdir"], made["file_mounts"]) == ("/here", place["file_mounts"])
    assert "job_recovery" not in made["resources"], "which SkyPilot refuses"
    *_, plain, s3 = made["setup"].splitlines()
    for line, submission, one in zip(
        (plain, s3),
        tasks.tasks(pooled, jobs, PACKED),
        tasks.tasks(alone, jobs, PACKED),
        strict=True,
    ):
        assert line in one.task["setup"]
        own = {"workdir", "setup", "file_mounts"}
        assert submission.task == {k: v for k, v in one.task.items() if k not in own}


def test_secrets_are_named_but_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "planted")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("CHROMA_TOKEN", raising=False)
    made = sweep(job(0, 0))
    (submission,) = tasks.tasks(made, made.jobs, PACKED)
    assert submission.secrets == ["HF_TOKEN"]
    text = tasks.write(submission, tmp_path, 0).read_text()
    assert "planted" not in text
    assert yaml.safe_load(text) == submission.task


def test_skypilot_accepts_the_task_of_every_cloud(tmp_path: Path) -> None:
    """The real SkyPilot reads the YAML, in a process and a home of its own."""
    names = sorted(file.stem for file in (CONF_DIR / "cloud").glob("*.yaml"))
    names.remove("local")
    for name in names:
        made = sweep(job(0, 0, cloud=cloud(name)))
        folder = tmp_path / name
        folder.mkdir()
        tasks.write(tasks.tasks(made, made.jobs, tmp_path)[0], folder, 0).rename(folder / "task")
        auto, place = SkyLauncher(pool="auto"), cloud(name)
        place["resources"] = auto.resources(place["resources"])
        pooled = Sweep("embed-1", "clipvec.embed", auto, (job(0, 0, cloud=place),))
        (folder / "pool").write_text(tasks.as_yaml(tasks.pool_task(pooled, pooled.jobs, tmp_path)))
    program = (
        "import sky, sky.serve, sys\n"
        "for name in sys.argv[1:]:\n"
        "    task = sky.Task.from_yaml(f'{name}/task')\n"
        "    sky.serve.validate_service_task(sky.Task.from_yaml(f'{name}/pool'), pool=True)\n"
        "    print(name, task.name, len(task.resources), flush=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *names],
        cwd=tmp_path,
        env={
            "HOME": str(tmp_path),
            "SKYPILOT_DISABLE_USAGE_COLLECTION": "1",
            "PATH": "/usr/bin:/bin",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    accepted = [line.split()[:2] for line in done.stdout.splitlines()]
    assert accepted == [[name, "clipvec-embed-1"] for name in names]


SPOT_L4 = {"accelerators": {"L4": 1}, "use_spot": True}


@pytest.mark.parametrize(
    ("name", "changed", "said"),
    [
        ("any", {}, "any, T4:1|L4:1|A10G:1|A10:1, memory 32+, disk_size 100, spot, else on demand"),
        (
            "any",
            {"any_of": [SPOT_L4, {"accelerators": {"T4": 1}, "infra": "gcp"}]},
            "any, L4:1, memory 32+, disk_size 100, spot or gcp, T4:1, memory 32+, disk_size 100",
        ),
        (
            "any",
            {"any_of": [{"use_spot": True}], "accelerators": "L4", "memory": None},
            "any, L4, disk_size 100, spot",
        ),
        ("slurm", {}, "slurm, cpus 1+, memory 1+"),
        ("slurm", {"any_of": [{"accelerators": ["L4:1"]}]}, "slurm, L4:1, cpus 1+, memory 1+"),
    ],
)
def test_resources_in_one_line(name: str, changed: dict[str, Any], said: str) -> None:
    place = cloud(name)
    assert tasks.describe(place | {"resources": place["resources"] | changed}) == said
