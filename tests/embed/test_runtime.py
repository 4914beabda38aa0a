"""ONNX Runtime resumes and searches a store made by torch, without importing torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from clipvec import config, model, paths
from clipvec.embed.run import embed_shards
from clipvec.index import open_index
from clipvec.index.build import build_index
from clipvec.store import Store, matrix

NO_TORCH = "import sys; assert not {'torch', 'open_clip', 'transformers'} & set(sys.modules)"
SERVICE = f"""
import asyncio, json
import clipvec.service.bento
from clipvec.service import (settings)
from clipvec.service.searcher import Searcher
found = Searcher.open(settings.read())
async def ask():
    assert await found.ready()
    return (await found.queries.text("a bird")).tolist()
print(json.dumps(asyncio.run(ask())))
{NO_TORCH}
"""
SEARCH = f"""
import sys
from clipvec.search import (__main__ as search)
sys.argv = ["search", "a bird", "-k", "3", "--json", *sys.argv[1:]]
search.main()
{NO_TORCH}
"""


def overrides(root: Path, tiny_weights: Path) -> list[str]:
    named = ["model=local", f"model.pretrained=local-dir:{tiny_weights}", "model.precision=fp32"]
    return [*named, "dataset.limit=12", "sharding=x1", f"store.root={root}/store"]


def embed(*given: str) -> Store:
    with initialize_config_dir(str(paths.CONF_DIR), version_base="1.3"):
        settings = config.read(compose("embed", [*given]), config.EmbedConfig)
    embed_shards(settings)
    return Store.open(paths.store_dir(settings.store.root, "sample", "local"))


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> Path:
    """A folder with a store and an index of a dozen of the bundled images, made with torch."""
    root = tmp_path_factory.mktemp("indexed")
    given = overrides(root, tiny_weights)
    embed(*given)
    with initialize_config_dir(str(paths.CONF_DIR), version_base="1.3"):
        given = [*given, f"index.path={root}/index"]
        build_index(config.read(compose("index", given), config.IndexCommandConfig))
    return root


@pytest.fixture(scope="module")
def by_torch(tiny_weights: Path) -> np.ndarray:
    """The vector of a query, by torch."""
    given = config.ModelConfig("t", "local", f"local-dir:{tiny_weights}", precision="fp32")
    return model.load_encoder(given).encode_texts(["a bird"])[0]


def vectors(store: Store) -> np.ndarray:
    """Return the vectors of the only shard, float32 [N, D]."""
    return np.concatenate([matrix(piece) for part in store.parts() for piece in store.read(part)])


def run(code: str, *arguments: str, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_store_made_by_onnx_runtime(
    indexed: Path,
    tiny_weights: Path,
    exports: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(exports))
    mine = embed(*overrides(tmp_path, tiny_weights), "model.runtime=onnx")
    other = Store.open(paths.store_dir(f"{indexed}/store", "sample", "local"))
    other.fingerprint.model.check(mine.fingerprint.model, "one", "the other")
    a, b = vectors(mine), vectors(other)
    assert a.shape == (12, 64)
    assert float((a * b).sum(axis=1).min()) > 0.999


def test_search_without_torch(indexed: Path, exports: Path, by_torch: np.ndarray) -> None:
    asked = [f"index.path={indexed}/index", "model.runtime=onnx"]
    found = json.loads(run(SEARCH, *asked, XDG_CACHE_HOME=str(exports)))
    with open_index(config.ChromaConfig(f"{indexed}/index")) as collection:
        expected = collection.query(by_torch, 3)
    assert [hit["id"] for hit in found] == [hit.id for hit in expected]
    assert [hit["score"] for hit in found] == pytest.approx([h.score for h in expected], abs=1e-3)


def test_the_service_without_torch(indexed: Path, exports: Path, by_torch: np.ndarray) -> None:
    asked = f"index.path={indexed}/index model.runtime=onnx"
    found = run(SERVICE, CLIPVEC_SERVE=asked, XDG_CACHE_HOME=str(exports))
    assert float(np.dot(json.loads(found), by_torch)) > 0.9999
