"""Datasets that the package ``datasets`` reads, without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipvec.config import HuggingFaceConfig
from clipvec.data import Dataset, open_dataset
from tests.fake_hub import keep_caches

datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    keep_caches(tmp_path / "cache", monkeypatch)


def read(path: str | Path, **options: object) -> Dataset:
    values = {"kind": "huggingface", "name": "test", "path": str(path), **options}
    return open_dataset(HuggingFaceConfig(**values))  # type: ignore[arg-type]
