"""The launcher, called by Hydra."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import ConfigCompositionException
from hydra.test_utils.launcher_common_tests import LauncherTestSuite
from hydra.test_utils.test_utils import SweepTaskFunction
from omegaconf import OmegaConf

from clipvec.config import FaissConfig, SkyLauncher
from clipvec.errors import ConfigError
from clipvec.index.backend import open_backend
from clipvec.index.build import build_index
from clipvec.jobs import launch
from clipvec.jobs.plan import Sweep
from clipvec.paths import CONF_DIR
from tests.index.conftest import build_config
from tests.stores import make_store

Run = Callable[..., list[JobReturn]]


@pytest.mark.parametrize(
    ("launcher_name", "overrides"), [("clipvec", ["hydra/sweeper=shards"]), ("clipvec", [])]
)
class TestHydrasOwnSuite(LauncherTestSuite):
    """The part of Hydra's test suite that applies to jobs that are separate processes.

    Hydra's jobs are a function of the test that runs in this process with Hydra's own configs, and
    the suite checks what the function returns and the configuration it received
    (``JobReturn.cfg``). Ours are ``python -m clipvec.<command>`` processes, which return nothing.
    The same sweeps of clipvec's own commands are tested below, under the same names. For the same
    reason ``IntegrationTestSuite`` does not apply: its jobs print the working directory and the
    name that Hydra gave them within the launching process.
    """

    test_sweep_1_job = None
    test_sweep_2_jobs = None
    test_sweep_1_job_strict = None
    test_sweep_1_job_strict_and_bad_key = None
    test_sweep_2_optimizers = None
    test_sweep_over_unspecified_mandatory_default = None
    test_sweep_and_override = None
    test_sweep_with_custom_resolver = None  # a resolver of this process is unknown to others


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[Sweep]:
    """The sweeps passed to a dry run."""
    sweeps: list[Sweep] = []
    monkeypatch.setattr(launch, "dry_run", lambda sweep, runs, folder: sweeps.append(sweep))
    return sweeps


@pytest.fixture
def run(
    hydra_sweep_runner: Callable[..., SweepTaskFunction],
    hydra_restore_singletons: None,
    planned: list[Sweep],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Plan a sweep of a clipvec command and return Hydra's result for each job."""
    monkeypatch.chdir(tmp_path)

    def call(
        *overrides: str, app: str = "embed", launcher: str = "sky", module: str = ""
    ) -> list[JobReturn]:
        task = hydra_sweep_runner(
            calling_file=None,
            calling_module=f"clipvec.{app}",
            task_function=None,
            config_path=str(CONF_DIR),
            config_name=app,
            overrides=[*overrides, f"launcher={launcher}", "launcher.dry_run=true"],
            temp_dir=tmp_path / "embed-1",
        )
        task.__module__ = module or f"clipvec.{app}"
        sweep = task.__enter__()  # leaving it removes the folder
        (returned,) = sweep.returns or []
        return list(returned)

    return call


def test_sweep_1_job(run: Run, planned: list[Sweep], tmp_path: Path) -> None:
    (job,) = run("sharding=x1")
    given = ["sharding=x1", "launcher=sky", "launcher.dry_run=true"]
    assert job.overrides == [*given, "shards='0'"]
    assert (job.status, job.return_value) == (JobStatus.COMPLETED, None)
    assert job.working_dir == str(tmp_path / "embed-1")
    (sweep,) = planned
    assert (sweep.name, sweep.module, sweep.launcher.kind) == ("embed-1", "clipvec.embed", "sky")


def test_sweep_2_jobs(run: Run, planned: list[Sweep], tmp_path: Path) -> None:
    given = ["shards=0-3", "hydra.sweeper.shards_per_job=2", "batch_size=8"]
    jobs = run(*given, launcher="workers")
    assert [job.overrides[-1] for job in jobs] == ["shards='0-1'", "shards='2-3'"]
    saved = OmegaConf.load(tmp_path / "embed-1/multirun.yaml")
    assert saved.hydra.overrides.task == [
        *("shards=0-3", "batch_size=8"),
        *("launcher=workers", "launcher.dry_run=true"),
    ]
    (sweep,) = planned
    assert sweep.launcher.kind == "workers"
    assert [sweep.command(job)[1:] for job in sweep.jobs] == [
        ["clipvec.embed", "batch_size=8", "launcher=local", "tracking=offline", f"shards='{spec}'"]
        for spec in ("0-1", "2-3")
    ]


def test_sweep_2_models(run: Run, planned: list[Sweep]) -> None:
    """Hydra calls it `test_sweep_2_optimizers`."""
    run("model=vit_b_32,vit_l_14", "shards=0")
    assert [(job.number, job.overrides, job.store) for job in planned[0].jobs] == [
        (0, ("model=vit_b_32",), "data/store/sample/vit_b_32"),
        (1, ("model=vit_l_14",), "data/store/sample/vit_l_14"),
    ]


def test_sweep_and_override(run: Run, planned: list[Sweep]) -> None:
    """A key that exists only in the swept options."""
    run("dataset=folder,webdataset", "dataset.path=x", "dataset.name=mine", "shards=7")
    assert [job.store for job in planned[0].jobs] == ["data/store/mine/vit_b_32"] * 2


def test_sweep_1_job_strict_and_bad_key(run: Run, planned: list[Sweep]) -> None:
    with pytest.raises(ConfigCompositionException, match="Could not override 'boo'"):
        run("boo=bar")
    assert planned == []


def test_a_configuration_the_command_would_refuse(run: Run, planned: list[Sweep]) -> None:
    with pytest.raises(ConfigError, match=r"^batch_size=0: "):
        run("batch_size=8,0")
    assert planned == []


def test_a_command_without_shards(run: Run, planned: list[Sweep]) -> None:
    run("rebuild=true", app="index")
    (job,) = planned[0].jobs
    assert planned[0].module == "clipvec.index"
    assert (job.overrides, job.shards, job.store) == (("rebuild=true",), (), "")
    assert job.folders == {"store.root": "data/store", "index.path": "data/index"}


def test_jobs_share_the_shards_of_an_index(run: Run, planned: list[Sweep], tmp_path: Path) -> None:
    make_store(tmp_path / "store", {shard: [10] for shard in range(4)})
    store = [f"store.root={tmp_path}/store", "dataset.name=toys", "model.name=toy"]
    run(*store, "index=faiss", "shards=1-3", "hydra.sweeper.shards_per_job=2", app="index")
    one, other = planned[0].jobs
    assert (one.shards, other.shards, one.store, one.commits) == ((1, 2), (3,), "", False)
    assert one.overrides == other.overrides == (*store, "index=faiss", "num_shards=4")
    with pytest.raises(ConfigError, match="shards=0: one job fills an index of index=chroma; "):
        run(*store, "shards=0", app="index")
    with pytest.raises(ConfigError, match="shards_per_job=auto is for clipvec embed, whose"):
        run(*store, "index=faiss", "shards=all", "hydra.sweeper.shards_per_job=auto", app="index")


def test_jobs_replace_the_build_that_is_there(
    run: Run, planned: list[Sweep], tmp_path: Path
) -> None:
    make_store(tmp_path / "store", {shard: [10] for shard in range(4)})
    where = FaissConfig(f"{tmp_path}/index")
    asked = [f"store.root={tmp_path}/store", "dataset.name=toys", "model.name=toy"]
    asked += ["index=faiss", f"index.path={where.path}", "shards=all", "rebuild=true"]
    with pytest.raises(ConfigError, match=r"rebuild=True: there is no index at .*toys--toy to rep"):
        run(*asked, app="index")
    build_index(build_config(tmp_path / "store", where))
    build = open_backend(where).published("toys--toy")
    run(*asked, app="index")
    (overrides,) = {job.overrides for job in planned[0].jobs}
    assert overrides[-2:] == ("num_shards=4", f"rebuild='{build}'")
    with pytest.raises(ConfigError, match="shards=0: the index holds none of these, but 2-3; "):
        run(*asked[:-2], "shards=0", "partition=2-3", app="index")


def test_a_sweep_of_recall(run: Run, planned: list[Sweep]) -> None:
    run("model=sample", "queries.seed=0,1", "report_dir=/b/${queries.seed}", app="recall")
    first, second = planned[0].jobs
    assert first.extras == ("recall", "sample")
    assert first.folders["report_dir"] == "/b/0"
    assert second.folders["report_dir"] == "/b/1"


def test_another_hydra_app(run: Run) -> None:
    with pytest.raises(
        ConfigError, match=r"of clipvec.embed, clipvec.index, clipvec.recall, not of my_app; "
    ):
        run("shards=0", module="my_app")


@pytest.mark.parametrize(
    ("overrides", "kept"),
    [
        (["cloud=aws", "cloud.resources.memory=64+", "launcher.pool=mine"], ()),
        (["cloud.file_mounts={/store: s3://b}", "hydra.sweeper.shards_per_job=3"], ()),
        (["dataset=folder", "dataset.path='/a b,c'"], ("dataset=folder", "dataset.path='/a b,c'")),
        (["sharding.count=12", "store.root=/store"], ("sharding.count=12", "store.root=/store")),
        (["experiment=demo"], ("experiment=demo",)),
        (["++model.compile=true"], ("++model.compile=true",)),
    ],
)
def test_jobs_get_their_overrides(
    run: Run, planned: list[Sweep], overrides: list[str], kept: tuple[str, ...]
) -> None:
    run("shards=0", *overrides)
    (job,) = planned[0].jobs
    assert job.overrides == kept


@pytest.mark.parametrize(
    ("overrides", "extras"),
    [
        (["model=vit_b_32"], ()),
        (["model=sample"], ("sample",)),
        (["store.root=s3://b/store"], ("s3",)),
        (["store.root=gs://b/store", "model=sample"], ("gcs", "sample")),
        (["dataset=huggingface", "dataset.path=x"], ("huggingface",)),
    ],
)
def test_extras_that_jobs_install(
    run: Run,
    planned: list[Sweep],
    overrides: list[str],
    extras: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("clipvec.extras.find_spec", lambda _: None)
    run("shards=0", *overrides)
    assert planned[0].jobs[0].extras == extras


def test_each_job_uses_the_cloud_of_its_configuration(run: Run, planned: list[Sweep]) -> None:
    run("shards=0", "cloud=aws,gcp")
    assert [job.cloud["resources"]["infra"] for job in planned[0].jobs] == ["aws", "gcp"]


@pytest.mark.parametrize(
    ("given", "gpus"),
    [
        (["model.runtime=onnx"], None),
        (["model.device=cpu"], None),
        (["experiment=synthetic"], None),
        (["model.runtime=onnx", "cloud.resources.accelerators={L4: 1}"], {"L4": 1}),
        (["model.runtime=onnx", "cloud.resources={accelerators: {L4: 1}}"], {"L4": 1}),
        (["cloud.resources.accelerators={L4: 1}"], {"L4": 1}),
        (["model.device=cuda"], {"T4": 1, "L4": 1, "A10G": 1, "A10": 1}),
    ],
)
def test_jobs_on_the_cpu_ask_for_no_gpu(
    run: Run, planned: list[Sweep], given: list[str], gpus: dict[str, int] | None
) -> None:
    run("shards=0", "cloud=aws", *given)
    (job,) = planned[0].jobs
    assert job.cloud["resources"].get("accelerators") == gpus
    assert job.cloud["resources"]["infra"] == "aws"


@pytest.mark.parametrize(("pool", "kinds"), [("null", 2), ("auto", 1), ("mine", 2)])
def test_machines_of_a_pool_are_all_spot(
    run: Run, planned: list[Sweep], pool: str, kinds: int
) -> None:
    run("shards=0", f"launcher.pool={pool}")
    both = [{"use_spot": True}, {"use_spot": False}]
    assert planned[0].jobs[0].cloud["resources"]["any_of"] == both[:kinds]


def test_the_image_count_where_it_is_known(run: Run, planned: list[Sweep]) -> None:
    run("experiment=skypilot_example", "shards=0-2", "hydra.sweeper.shards_per_job=2")
    assert [job.images for job in planned[0].jobs] == [20_000, 10_000]
    run("shards=0", "dataset.limit=200")
    run("shards=0", "dataset=folder", "dataset.path=x")
    run("shards=0", "dataset=folder", "dataset.path=x", "dataset.num_images=5_000")
    run("shards=0", "experiment=synthetic")
    known = [(sweep.jobs[0].images, sweep.jobs[0].arch) for sweep in planned[1:]]
    assert known == [
        (2, "ViT-B-32"),
        (None, "ViT-B-32"),
        (50, "ViT-B-32"),
        (5_000, "synthetic"),
    ]


def test_the_launcher_group_is_passed_on(run: Run, planned: list[Sweep]) -> None:
    run("shards=0", "launcher.pool=mine", "launcher.wait=false")
    assert planned[0].launcher == SkyLauncher(wait=False, dry_run=True, pool="mine")


def test_what_jobs_need(run: Run, planned: list[Sweep], tmp_path: Path) -> None:
    photos = ["dataset=folder", f"dataset.path={tmp_path}", "tracking=online"]
    for given in (photos, ["dataset=imagenet"], ["experiment=synthetic"], ["dataset=sample"]):
        run(*given, "shards=0")
    needed = [sweep.jobs[0] for sweep in planned]
    assert [job.inputs for job in needed] == [{"dataset.path": [str(tmp_path)]}, {}, {}, {}]
    assert [job.precision for job in needed] == ["auto", "auto", "", "auto"]
    assert [job.variables for job in needed] == [
        {"WANDB_API_KEY": "tracking=online writes to wandb"},
        {"HF_TOKEN": "dataset.path='ILSVRC/imagenet-1k' is gated"},
        {},
        {},
    ]


def test_the_store_that_is_reused(run: Run, planned: list[Sweep]) -> None:
    for given in ("vit_l_14", "/here/sample/vit_l_14", "s3://bucket/sample/vit_l_14"):
        run("shards=0", "store.root=s3://own", f"reuse={given}")
    jobs = [sweep.jobs[0] for sweep in planned]
    assert [(job.reuse, job.inputs, job.urls.get("reuse")) for job in jobs] == [
        ("s3://own/sample/vit_l_14", {}, None),
        ("/here/sample/vit_l_14", {"reuse": ["/here/sample/vit_l_14"]}, None),
        ("s3://bucket/sample/vit_l_14", {}, ["s3://bucket/sample/vit_l_14"]),
    ]


@pytest.mark.parametrize("quote", ["", "'"])
def test_a_sweep_is_recorded_without_secrets(
    run: Run, planned: list[Sweep], monkeypatch: pytest.MonkeyPatch, quote: str
) -> None:
    monkeypatch.setenv("DATASET_URL", "http://me:pass@host/a.tar?sig=hidden")
    run("dataset=webdataset", f"dataset.path={quote}${{oc.env:DATASET_URL}}{quote}", "shards=0")
    (job,) = planned[0].jobs
    assert job.urls == {"dataset.path": ["http://host/a.tar"]}
    assert "oc.env:DATASET_URL" in str(job.overrides)
    assert "hidden" not in str(job)
