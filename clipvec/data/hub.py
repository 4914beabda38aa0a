"""What is known of a dataset of the Hugging Face hub before it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.data.files import first_line
from clipvec.data.formats import RARELY_READ, SUFFIXES
from clipvec.data.passed_over import PassedOver
from clipvec.errors import ConfigError, DatasetError
from clipvec.extras import missing
from clipvec.progress import say_hub_retries_once

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from clipvec.config import HuggingFaceConfig

_TIMEOUT = 10.0
"""Seconds that the hub has to answer before it counts as unreachable."""


def import_datasets() -> ModuleType:
    """Return the package ``datasets``.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import datasets
    except ImportError as error:
        raise missing("dataset.kind=huggingface", "huggingface", "datasets") from error
    module: ModuleType = datasets
    return module


def tell_images_left_out(folder: Path) -> None:
    """Name the images that ``datasets`` leaves out of a folder without a word.

    Of files that no metadata names, datasets 5.0 takes those with the extensions of a fixed list,
    which lacks AVIF; see findings/datasets-imagefolder-drops-avif.sh.
    """
    from datasets.packaged_modules.imagefolder.imagefolder import ImageFolder

    files = [*folder.rglob("*.*")] if folder.is_dir() else []
    if any(file.stem == "metadata" for file in files):
        return
    left = PassedOver()
    for file in files:
        suffix = file.suffix.lower()
        image = suffix[1:] in SUFFIXES or suffix[1:] in RARELY_READ
        if image and suffix not in ImageFolder.EXTENSIONS:
            left.add(f"{suffix} files, which datasets does not load", str(file))
    left.report(str(folder))


def check_token(path: str) -> None:
    """Refuse a gated dataset without a token.

    Raises:
        ConfigError: there is none.
    """
    from huggingface_hub import get_token

    if not get_token():
        raise ConfigError(
            f"dataset.path={path!r} is gated and there is no HF_TOKEN; accept the terms at "
            f"https://huggingface.co/datasets/{path} and put HF_TOKEN=... into the environment "
            "or into .env"
        )


def revision(config: HuggingFaceConfig, datasets: ModuleType) -> str | None:
    """Return the commit to read, so that every job and every resume reads the same one.

    The one request also shows quickly whether the hub can be reached; `load_dataset` would retry
    for half a minute. Offline, the commit is whatever the cache holds: pin ``dataset.revision``.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    if datasets.config.HF_HUB_OFFLINE:
        return config.revision
    say_hub_retries_once()
    try:
        info = HfApi().dataset_info(config.path, revision=config.revision, timeout=_TIMEOUT)
    except HFValidationError as error:
        raise DatasetError(
            f"dataset.path={config.path!r} is neither an existing folder nor a name on the hub "
            "(owner/dataset)"
        ) from error
    except RepositoryNotFoundError as error:
        raise DatasetError(
            f"dataset.path={config.path!r} is not on the hub, or is private or gated; check the "
            f"name at https://huggingface.co/datasets/{config.path}, and HF_TOKEN"
        ) from error
    except Exception as error:  # each version of the hub's client has its own network errors
        named = f" dataset.revision={config.revision!r}" if config.revision else ""
        raise DatasetError(
            f"dataset.path={config.path!r}{named}: the hub did not answer: {first_line(error)}; "
            "check the network, or read a copy in the cache with HF_HUB_OFFLINE=1"
        ) from error
    return info.sha
