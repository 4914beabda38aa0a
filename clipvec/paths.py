"""Where files are: the only module that builds file names, with a class for each kind of folder.

Store paths are relative to the store's folder and use ``/``, so they work both as object store
keys and as file names.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from clipvec.locations import PACKAGE, expanded

_PACKAGED_CONF = PACKAGE / "conf"
CONF_DIR = _PACKAGED_CONF if _PACKAGED_CONF.is_dir() else PACKAGE.parent / "conf"
"""The config groups: ``clipvec/conf`` in a wheel, ``conf/`` in a checkout."""

SAMPLE_HEADS = PACKAGE / "model" / "sample_heads.safetensors"
"""The trained projection heads of ``model=sample``."""

STORE_JSON = "store.json"
"""A store's fingerprint, relative to the store."""
TOMBSTONES = "tombstones"
"""The folder of the entries that delete rows, relative to the store."""
GENERATIONS = "generations"
"""The folder of what a store covers, relative to the store."""
_SHARD = re.compile(r"shard-(\d{5,})")
GROUND_TRUTH = "ground_truth"
"""The folder of exact neighbours of queries, relative to the store."""
PROJECTION = "projection.parquet"
"""The positions of all rows on a plane, relative to the store."""
COMPACT_LOCK = ".compact.lock"
"""The lock held while deleted rows are taken out of a store's files, relative to the store."""
CHROMA_DATABASE = "chroma.sqlite3"
"""The file of a collection of embedded Chroma, relative to its folder."""
CHROMA_SEAL = "graphs.json"
"""The checksums of such a collection's graphs, relative to its folder."""
_PART = re.compile(r"part-(\d{5,})(-[0-9a-f]{8})?\.parquet")
_PARTITION = "--shards-"
_ALIAS = ".alias.json"
SWEEPS = Path("data/sweeps")
"""The folder of sweeps, relative to the folder in which they were started."""
REPORTS = Path("data/reports")
"""That of the reports of recall, unless they are told another: not there before it has run."""


def tracking_url(root: str) -> str:
    """Return the folder of the runs of a store's root, under the name that wandb gives it."""
    return f"{root.rstrip('/')}/wandb"


def ground_truth_file(kind: str, key: str) -> str:
    """Return the file of a kind of queries with their exact neighbours, relative to a store."""
    return f"{GROUND_TRUTH}/{kind}-{key}.npz"


def store_dir(root: str, dataset: str, model: str) -> str:
    """Return the folder of one store: one dataset embedded by one model."""
    return f"{root.rstrip('/')}/{dataset}/{model}"


def generation(number: int) -> str:
    """Return the file of a generation, relative to the store."""
    return f"{GENERATIONS}/{number:05d}.json"


def generation_plan(number: int, sha256: str) -> str:
    """Return the file of its plan by the plan's checksum, relative to the store."""
    return f"{GENERATIONS}/{number:05d}-{sha256[:8]}.parquet"


class ShardPaths:
    """The files of a shard, relative to the store."""

    def __init__(self, shard: int) -> None:
        self.folder = f"shard-{shard:05d}"
        """The shard's folder, which contains the other files."""
        self.done = f"{self.folder}/done.json"
        """The commit marker."""
        self.rejects = f"{self.folder}/rejects.parquet"
        """The reject ledger."""

    def part(self, number: int, compacted: str = "") -> str:
        """Return the file of a part, or by its checksum that of one without its deleted rows."""
        return f"{self.folder}/part-{number:05d}{compacted and '-'}{compacted[:8]}.parquet"


def shard_folder(part: str) -> str:
    """Return the folder of a part's shard, relative to the store."""
    return part.rpartition("/")[0]


def shard_number(name: str) -> int | None:
    """Return the number of a shard from its folder's name, or None if it is not one."""
    found = _SHARD.fullmatch(name)
    return int(found[1]) if found else None


def part_number(name: str) -> int | None:
    """Return the number of a part from its file name, or None if it is not a part."""
    match = _PART.fullmatch(name.rsplit("/", 1)[-1])
    return int(match[1]) if match else None


def collection_name(dataset: str, model: str, partition: str | None = None) -> str:
    """Return the name of the Chroma collection of one store, or of some of its shards.

    These are given as `clipvec.shards.format` writes them; Chroma allows no comma.
    """
    whole = f"{dataset}--{model}"
    return f"{whole}{_PARTITION}{partition.replace(',', '_')}" if partition else whole


def whole_collection(name: str) -> str:
    """Return the collection that ``name`` is a partition of, or ``name``."""
    return name.partition(_PARTITION)[0]


def partition(name: str) -> str:
    """Return the shards of a partition from its name."""
    return name.partition(_PARTITION)[2].replace("_", ",")


class IndexPaths:
    """The files of embedded Chroma collections."""

    def __init__(self, root: str) -> None:
        self.folder = expanded(root)
        """The folder that contains a folder for each collection."""

    def collection(self, name: str) -> Path:
        """Return the folder of a collection."""
        return self.folder / name

    def lock(self, name: str) -> Path:
        """Return the lock held while a collection is being filled, or an alias changes."""
        return self.folder / f"{name}.lock"

    def alias(self, name: str) -> Path:
        """Return the file that says what an alias stands for."""
        return self.folder / f"{name}{_ALIAS}"

    def aliases(self) -> list[str]:
        """Return all aliases."""
        found = self.folder.glob(f"*{_ALIAS}")
        return sorted(path.name.removesuffix(_ALIAS) for path in found)


class RowsPaths:
    """The table of the rows of an index, in its folder."""

    def __init__(self, folder: Path) -> None:
        self.columns = folder / "rows.arrow"
        """Everything but the vectors."""
        self.vectors = folder / "vectors.npy"
        self.mark = folder / "rows.json"
        """Checksums of both; it is there when all of the table is."""
        self.stale = folder / "rows.stale.json"
        """What `mark` was before the index began to change."""
        self.both = (self.columns, self.vectors)
        self.work = folder / "rows.tmp"
        """Folder of columns on their way to `columns`."""
        self.sorting = folder / "hashes.tmp"
        """Folder of hashes of ids that are being sorted."""

    @staticmethod
    def new(file: Path) -> Path:
        """Return the name of a file that is being written."""
        return file.with_name(f"{file.name}.tmp")


class FaissPaths:
    """The files of a FAISS index on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = folder / "index.json"
        """What the index is, and which build of it is published."""
        self.next = folder / "next"
        """Folder of what a build that is not finished made."""
        self.staged = self.next / "index.json"
        """The manifest of a build that is being verified."""
        self.training_lock = folder.parent / f"{folder.name}.training.lock"
        """The lock held while it is trained."""
        self.sorting = self.next / "sorting"
        """Folder of the codes of all rows on the way to their lists."""

    def build(self, build_id: str) -> FaissBuildPaths:
        """Return the files of a build."""
        return FaissBuildPaths(self.folder / build_id)

    def encoded(self, training: str) -> FaissEncodedPaths:
        """Return the files of the parts that were encoded by one training."""
        return FaissEncodedPaths(self.next / training)

    def all_encoded(self) -> list[FaissEncodedPaths]:
        """Return those of each training."""
        folders = (path for path in self.next.glob("*") if path.is_dir() and path != self.sorting)
        return [FaissEncodedPaths(path) for path in sorted(folders)]


class FaissEncodedPaths:
    """The files of parts that were encoded by one training, until the index is published."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trained = folder / "trained.faiss"
        """What was trained, without rows, unless it is that of the published build."""
        self.training = folder / "trained.json"
        """What it was trained with."""

    def codes(self, part: str) -> Path:
        """Return the file of encoded parts of a shard, by the first of them."""
        return self.folder / f"{part.replace('/', '-').removesuffix('.parquet')}.codes"

    def all_codes(self) -> list[Path]:
        """Return the files of all encoded parts."""
        return sorted(self.folder.glob("*.codes"))


class FaissBuildPaths:
    """The files of a build of a FAISS index, beside the table of its rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trained = folder / "trained.faiss"
        """What was trained, without rows."""
        self.lists = folder / "lists.bin"
        """Codes and row numbers, list after list."""
        self.sizes = folder / "sizes.npy"
        """Rows of each list."""
        self.all = (self.trained, self.lists, self.sizes)


class ExportPaths:
    """The files of a model exported to ONNX."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.about = folder / "export.json"
        """Metadata of the model."""
        self.tokenizer = folder / "tokenizer.json"
        """The tokenizer that goes with the model."""

    @classmethod
    def of(cls, weights: str, digest: str) -> ExportPaths:
        """Return the export of a model by two digests: of its weights and of all other inputs."""
        return cls(cls.cache() / f"{weights[:16]}-{digest[:16]}")

    @staticmethod
    def cache() -> Path:
        """Return the folder of all exports, in the user's cache folder."""
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(cache) / "clipvec" / "onnx"

    @classmethod
    def source(cls, digest: str) -> Path:
        """Return the file that maps a model's source, by its digest, to its export."""
        return cls.cache() / "sources" / f"{digest}.json"

    def tower(self, tower: str) -> Path:
        """Return the file of a tower, image or text."""
        return self.folder / f"{tower}.onnx"


class RunPaths:
    """The files of a wandb run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.upload_log = folder / "logs" / "sync.log"
        """The log of the run's upload."""

    def artifact(self, kind: str) -> Path:
        """Return the file that identifies the version of an artifact the run logged or used."""
        return self.folder / "artifacts" / f"{kind}.json"


class LaunchPaths:
    """The files of anything that runs in the cloud."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workdir = folder / "workdir"
        """The folder copied to each machine: the wheel of the code, and how to install it."""


class DeployPaths(LaunchPaths):
    """The files of a deployed service."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.service = folder / "service.yaml"
        """The SkyPilot YAML of the service."""


class SweepPaths(LaunchPaths):
    """The files of a sweep."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.sweep = folder / "sweep.json"
        """The definition of the sweep."""
        self.ids = folder / "ids.jsonl"
        """The ids of its jobs."""
        self.forecast = folder / "forecast.json"
        """The forecast of what its jobs take, and what they took."""
        self.supervisor_log = folder / "supervisor.log"
        """The log of the supervisor of local workers."""
        self.pool = folder / "pool.yaml"
        """The SkyPilot YAML of the pool that is made for its jobs."""
        self.pool_made = folder / "pool.made"
        """There since the pool was asked for."""

    def task(self, number: int) -> Path:
        """Return the SkyPilot YAML of one submission."""
        return self.folder / f"task-{number:05d}.yaml"

    def job_log(self, job: int) -> Path:
        """Return the log of a job run by a local worker."""
        return self.folder / "jobs" / f"{job:05d}.log"

    def job_status(self, job: int) -> Path:
        """Return the status of a job run by a local worker."""
        return self.folder / "jobs" / f"{job:05d}.json"

    def job_cancel(self, job: int) -> Path:
        """Return the marker file that tells a job of local workers to stop."""
        return self.folder / "jobs" / f"{job:05d}.cancel"

    def slot(self, number: int) -> Path:
        """Return the lock of a slot, which a supervisor of local workers holds while it uses it."""
        return self.folder / "jobs" / f"slot-{number}.lock"


class ReportPaths:
    """The files of a report of recall or of an evaluation, or of a comparison of reports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "report.json"
        """The measurements."""
        self.schema = folder / "report.schema.json"
        """The JSON schema of the measurements."""
        self.page = folder / "report.html"
        """The report as a page."""
        self.markdown = folder / "report.md"
        """The report as Markdown."""
        self.comparison_page = folder / "comparison.html"
        """The comparison as a page."""
        self.comparison_markdown = folder / "comparison.md"
        """The comparison as Markdown."""

    @staticmethod
    def figure(name: str, suffix: str) -> str:
        """Return the file of a figure, relative to its report."""
        return f"figures/{name}.{suffix}"


class WorkPaths:
    """The files of a recall measurement: inputs and outputs of its worker processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = folder / "lock"
        """The lock held while a measurement uses the folder."""
        self.workload = folder / "workload"
        """The folder of the queries and filters for the worker processes."""

    def result(self, name: str, digest: str) -> Path:
        """Return the result of a system."""
        return self.folder / "results" / f"{name}-{digest}.json"

    def task(self, name: str) -> Path:
        """Return the task of a system's worker process."""
        return self.folder / f"{name}.task.json"

    def log(self, name: str) -> Path:
        """Return the log of a system's worker process."""
        return self.folder / f"{name}.log"

    def scratch(self, name: str) -> Path:
        """Return the temporary folder of a system's worker process."""
        return self.folder / f"{name}.scratch"


class WorkloadPaths:
    """The files of a workload; a filter's folder has only its query sets and admitted rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.filters = folder / "filters.json"
        """The filters."""
        self.admitted_rows = folder / "admitted.npy"
        """The bitmap of the rows that a filter admits."""

    def query_set(self, kind: str) -> Path:
        """Return the queries of a kind with their neighbours."""
        return self.folder / f"{kind}.npz"

    def filter(self, number: int) -> Path:
        """Return the folder of the queries under a filter."""
        return self.folder / f"filter-{number}"


class ScratchPaths:
    """The temporary files of a system's worker process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.faiss_index = folder / "index.faiss"
        """A FAISS index."""
        self.chroma_root = folder / "chroma"
        """The root of a copy of an embedded collection."""
        self.server_log = folder / "server.log"
        """The log of a Chroma server."""
