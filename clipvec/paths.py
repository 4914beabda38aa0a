"""Where things lie: the one module that builds file names.

Store paths are relative to the store's folder and use ``/``, so that they are keys of an object
store as well as file names.
"""

from __future__ import annotations

import re
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_PACKAGED_CONF = _PACKAGE / "conf"
CONF_DIR = _PACKAGED_CONF if _PACKAGED_CONF.is_dir() else _PACKAGE.parent / "conf"
"""The config groups: ``clipvec/conf`` in a wheel, ``conf/`` in a checkout."""

SAMPLE_HEADS = _PACKAGE / "model" / "sample_heads.safetensors"
"""The trained projection heads of ``model=sample``."""

PACKAGE_SCHEME = "pkg://clipvec/"
"""Prefix of data files that come with clipvec itself; kept in URIs so that they are portable."""

STORE_JSON = "store.json"
DONE_JSON = "done.json"
REJECTS = "rejects.parquet"
_PART = re.compile(r"part-(\d{5,})\.parquet")


SWEEPS = Path("data/sweeps")
"""Where sweeps are kept, relative to the folder that they were started in."""


def package_file(url: str) -> str:
    """Return the local path behind a ``pkg://clipvec/...`` URL; any other URL unchanged."""
    if url.startswith(PACKAGE_SCHEME):
        return str(_PACKAGE / url.removeprefix(PACKAGE_SCHEME))
    return url


def store_dir(root: str, dataset: str, model: str) -> str:
    """Return the folder of one store: one dataset embedded by one model."""
    return f"{root.rstrip('/')}/{dataset}/{model}"


def shard_dir(shard: int) -> str:
    """Return the folder of a shard, relative to the store."""
    return f"shard-{shard:05d}"


def part_file(shard: int, part: int) -> str:
    """Return the file of a part, relative to the store."""
    return f"{shard_dir(shard)}/part-{part:05d}.parquet"


def part_number(name: str) -> int | None:
    """Return the number of a part from its file name, or None when it is not a part."""
    match = _PART.fullmatch(name.rsplit("/", 1)[-1])
    return int(match[1]) if match else None


def collection_name(dataset: str, model: str) -> str:
    """Return the name of the Chroma collection of one store."""
    return f"{dataset}--{model}"


def index_dir(root: str, collection: str) -> Path:
    """Return the folder of one embedded Chroma collection."""
    return Path(root).expanduser() / collection


def sweep_file(folder: Path) -> Path:
    """Return the file that says what a sweep is."""
    return folder / "sweep.json"


def ids_file(folder: Path) -> Path:
    """Return the file of the ids of a sweep's jobs."""
    return folder / "ids.jsonl"


def job_log(folder: Path, job: int) -> Path:
    """Return the log of a job that a local worker runs."""
    return folder / "jobs" / f"{job:05d}.log"


def job_status(folder: Path, job: int) -> Path:
    """Return how a job stands that a local worker runs."""
    return folder / "jobs" / f"{job:05d}.json"


def job_cancel(folder: Path, job: int) -> Path:
    """Return the mark that a job of local workers is to stop."""
    return folder / "jobs" / f"{job:05d}.cancel"


def supervisor_log(folder: Path) -> Path:
    """Return what the supervisor of local workers says."""
    return folder / "supervisor.log"


def task_file(folder: Path, number: int) -> Path:
    """Return the SkyPilot YAML of one submission of a sweep."""
    return folder / f"task-{number:05d}.yaml"
