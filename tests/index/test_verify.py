"""Errors found by the verification at the end of a build."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clipvec.config import ChromaConfig
from clipvec.errors import CollectionError
from clipvec.index import open_index
from clipvec.index.build import build_index
from tests.index.conftest import build_config
from tests.stores import StoreFactory


def test_missing_rows_are_noticed(
    folder: ChromaConfig, tmp_path: Path, store_factory: StoreFactory
) -> None:
    store_factory(tmp_path, {0: [20], 1: [30]})
    build_index(build_config(tmp_path, folder))
    with open_index(folder, bare=True) as collection:
        collection._rows.delete(ids=["1/3", "1/4"])
    with pytest.raises(CollectionError, match=r"28 of 30 rows of shard-00001/.*--rebuild"):
        build_index(build_config(tmp_path, folder))


def test_a_vector_that_differs_from_the_store_is_noticed(
    folder: ChromaConfig, tmp_path: Path, store_factory: StoreFactory
) -> None:
    store_factory(tmp_path, {0: [20]})
    build_index(build_config(tmp_path, folder))
    with open_index(folder, bare=True) as collection:
        collection._rows.update(ids=["0/3"], embeddings=[[1.0] * 16])
    with pytest.raises(CollectionError, match=r"1 of 20 rows .*another vector.*0/3.*--rebuild"):
        build_index(build_config(tmp_path, folder))


@pytest.mark.parametrize(("links", "breaks"), [(4, True), (10, False)])
def test_a_graph_that_reaches_too_few_rows(
    tmp_path: Path,
    store_factory: StoreFactory,
    caplog: pytest.LogCaptureFixture,
    links: int,
    breaks: bool,
) -> None:
    """Some unreached rows are a matter of recall, many are a broken graph."""
    store_factory(tmp_path, {0: [2000]}, dim=64)
    index = ChromaConfig(str(tmp_path / "index"))
    config = build_config(tmp_path, index)
    hnsw = replace(config.hnsw, max_neighbors=links, ef_construction=links, ef_search=links)
    poor = replace(config, hnsw=hnsw)
    if breaks:
        with pytest.raises(
            CollectionError,
            match=r"are not found by their own vectors .*; rebuild it with "
            r"--rebuild hnsw.max_neighbors=8 hnsw.ef_construction=8$",
        ):
            build_index(poor)
    else:
        assert "of 100 rows found by their own vectors" in build_index(poor).verified
        (told,) = caplog.messages
        assert "of 100 rows are not found by their own vectors (0/" in told
        more = "; --rebuild hnsw.max_neighbors=20 hnsw.ef_construction=20 would find more"
        assert told.endswith(more)
