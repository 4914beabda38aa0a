"""A store that torch made goes on, and is searched, by ONNX Runtime; torch stays out of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from clipvec import config, paths
from clipvec.embedding import embed_shards
from clipvec.store import Store, matrix
from clipvec.vectors import build

NO_TORCH = "import sys; assert not {'torch', 'open_clip', 'transformers'} & set(sys.modules)"
SERVICE = f"""
import asyncio, json
from clipvec.service import Searcher, create_app, settings
import clipvec.service.bento
found = Searcher.open(settings.read())
create_app(1000)
async def ask():
    assert await found.ready()
    return (await found.text("a bird")).tolist()
print(json.dumps(asyncio.run(ask())))
{NO_TORCH}
"""
SEARCH = f"""
import sys
from clipvec import search
sys.argv = ["search", "a bird", "-k", "3", "--json", *sys.argv[1:]]
search.main()
{NO_TORCH}
"""


def overrides(root: Path, tiny_weights: Path) -> list[str]:
    model = ["model=local", f"model.pretrained=local-dir:{tiny_weights}", "model.precision=fp32"]
    return [*model, "dataset.limit=12", "sharding=x1", f"store.root={root}/store"]


def embed(*given: str) -> Store:
    with initialize_config_dir(str(paths.CONF_DIR), version_base="1.3"):
        settings = config.read(compose("embed", [*given]), config.EmbedConfig)
    embed_shards(settings)
    return Store(paths.store_dir(settings.store.root, "sample", "local"))


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> Path:
    """A folder with a store and an index of a dozen of the bundled pictures, made with torch."""
    root = tmp_path_factory.mktemp("indexed")
    given = overrides(root, tiny_weights)
    embed(*given)
    with initialize_config_dir(str(paths.CONF_DIR), version_base="1.3"):
        given = [*given, f"index.path={root}/index"]
        build(config.read(compose("index", given), config.BuildConfig))
    return root


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
