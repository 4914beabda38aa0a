"""Shared fixtures."""

from __future__ import annotations

import gc
import logging
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import clipvec
from tests import tiny
from tests.preloaded import Preloaded, Python
from tests.shared import once

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.stores import StoreFactory

# No library may contact a model hub or a telemetry server.
os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    TRANSFORMERS_OFFLINE="1",
    ANONYMIZED_TELEMETRY="False",
    OMP_NUM_THREADS="1",
    # No search leaves a process behind, but those of tests/search/test_daemon.py.
    CLIPVEC_SEARCH_MINUTES="0",
)

# Python looks for cycles among new objects whenever there are 700 more, and as often among all that
# torch and the tests are made of: a twelfth of the time that tests take.
gc.set_threshold(20_000)

# A shell that runs the tests in the background ignores SIGINT, which processes inherit: those that
# tests start could not be interrupted.
signal.signal(signal.SIGINT, signal.default_int_handler)

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


PROCESSES = {"browser", "with_skypilot"}
"""Fixtures that start processes; modules of which most tests do are marked themselves."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests in tests/e2e, and all others that use `PROCESSES`."""
    for item in items:
        used = PROCESSES.intersection(getattr(item, "fixturenames", ()))
        if used or item.path.is_relative_to(Path(__file__).parent / "e2e"):
            item.add_marker("e2e")


@pytest.fixture(autouse=True)
def logging_of_python() -> Iterator[None]:
    """Undo Hydra's process-wide logging setup, which later tests would see."""
    _reset_logging()
    yield
    _reset_logging()


def _reset_logging() -> None:
    logging.raiseExceptions = True
    logging.disable(logging.NOTSET)
    for name, level in (("", logging.WARNING), ("clipvec", logging.NOTSET)):
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.propagate, logger.disabled = True, False
        # pytest's handlers stay.
        ours = [h for h in logger.handlers if type(h).__module__.startswith(("logging", "clipvec"))]
        for handler in ours:
            logger.removeHandler(handler)


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a real open_clip model, small and untrained, for ``local-dir:``."""
    return once(tmp_path_factory, "tiny", tiny.write)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``data/store`` and ``data/index`` of the bundled images by ``model=sample``.

    Read-only; a test that writes makes a copy.
    """

    def make(folder: Path) -> None:
        options: dict[str, object] = {
            "model": "sample",
            "sharding": "x10",
            "store.root": folder / "data/store",
        }
        clipvec.run_embed(**options)
        clipvec.run_index(**options, **{"index.path": folder / "data/index"})

    return once(tmp_path_factory, "sample", make)


@pytest.fixture(scope="session")
def tiny_sample(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> Path:
    """A folder with ``store`` and ``index`` of the bundled images by `tiny_weights`, read-only."""

    def make(folder: Path) -> None:
        options: dict[str, object] = {
            "model": "local",
            "model.pretrained": f"local-dir:{tiny_weights}",
            "sharding": "x1",
            "store.root": folder / "store",
        }
        clipvec.run_embed(**options)
        clipvec.run_index(**options, **{"index.path": folder / "index"})

    return once(tmp_path_factory, "tiny_sample", make)


@pytest.fixture(scope="session")
def two_models(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> Path:
    """A folder with ``store`` and ``chroma`` and ``faiss`` of 40 images by two models, read-only.

    The collections are ``sample--one`` and ``sample--two``; ``weights`` are those of the second.
    """

    def make(folder: Path) -> None:
        (folder / "weights").mkdir()
        tiny.write(folder / "weights", seed=1)
        for name, weights in (("one", tiny_weights), ("two", folder / "weights")):
            options: dict[str, object] = {
                "model": "local",
                "model.name": name,
                "model.pretrained": f"local-dir:{weights}",
                "dataset.limit": 40,
                "sharding.count": 2,
                "store.root": folder / "store",
            }
            clipvec.run_embed(**options)
            for kind in ("chroma", "faiss"):
                clipvec.run_index(**options, index=kind, **{"index.path": folder / kind})

    return once(tmp_path_factory, "two_models", make)


@pytest.fixture(scope="session")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``store`` and ``index`` of the rows `tests.stores.INDEXED`, read-only."""
    from clipvec.config import ChromaConfig
    from clipvec.index.build import build_index
    from tests.index.conftest import build_config
    from tests.stores import INDEXED, make_store

    def make(folder: Path) -> None:
        make_store(folder / "store", INDEXED)
        build_index(build_config(folder / "store", ChromaConfig(f"{folder}/index")))

    return once(tmp_path_factory, "indexed", make)


@pytest.fixture
def root(indexed: Path, tmp_path: Path) -> Path:
    """A copy of `indexed`, to be changed."""
    return Path(shutil.copytree(indexed, tmp_path / "root"))


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> Path:
    """A folder for ``XDG_CACHE_HOME``, with `tiny_weights` as their first load exports them."""
    from clipvec import model
    from clipvec.config import ModelConfig

    def make(folder: Path) -> None:
        here = tmp_path_factory.mktemp("here")
        (here / "json.py").write_text("raise SystemExit('that of the current folder')")
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(here)
            patch.setenv("XDG_CACHE_HOME", str(folder))
            pretrained = f"local-dir:{tiny_weights}"
            model.load_encoder(ModelConfig("tiny", "local", pretrained, runtime="onnx"))

    return once(tmp_path_factory, "exports", make)


@pytest.fixture(scope="session")
def store_factory() -> StoreFactory:
    """Return `make_store`, which makes a committed store without a model."""
    from tests.stores import make_store

    return make_store


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of `python`, where nobody has used SkyPilot before."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def with_skypilot(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Preloaded]:
    """What `python` runs by. SkyPilot finds its home and its server while it is imported."""
    nobody = {"HOME": str(home), "SKYPILOT_API_SERVER_LOCAL_PORT": "9"}
    folder = tmp_path_factory.mktemp("with_skypilot")
    started = Preloaded(folder, "sky", "clipvec.config", **nobody)
    yield started
    started.close()


@pytest.fixture
def python(with_skypilot: Preloaded, home: Path, tmp_path: Path) -> Python:
    """Run ``-m`` of a module or ``-c`` of code, where SkyPilot is imported; return what it prints.

    That is the output, or if another exit code than 0 is expected, the errors.
    """

    def call(*arguments: str, exit_code: int = 0, **environment: str) -> str:
        alone = {"HOME": str(home), "SKYPILOT_DISABLE_USAGE_COLLECTION": "1"}
        done = with_skypilot.run(arguments, os.environ | alone | environment, tmp_path)
        assert done.returncode == exit_code, done.stderr
        return done.stdout if exit_code == 0 else done.stderr

    return call


# Module scope, not session: while Playwright's synchronous interface is open, an
# event loop runs in this thread, and tests that call asyncio.run() fail.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium: the system's, or the one from ``playwright install chromium``."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=30_000)  # a page of a busy machine needs more than the usual 5 s
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium")
        opened = playwright.chromium.launch(executable_path=chromium, args=[*QUIET])
        yield opened
        opened.close()


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A bucket ``photos`` of moto's server, with the variables that the documentation sets."""
    from urllib.request import Request, urlopen

    import boto3
    from moto.server import ThreadedMotoServer
    from s3fs import S3FileSystem

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    page = Path(__file__).parents[1] / "docs/store.md"
    exported = re.findall(r"^export (AWS_.*)", page.read_text(encoding="utf-8"), re.MULTILINE)
    variables = dict(word.split("=", 1) for line in exported for word in line.split())
    keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
    assert list(variables) == [*keys, "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"]
    for name, value in {**variables, "AWS_ENDPOINT_URL": url}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    # moto keeps what earlier servers of this process were sent
    urlopen(Request(f"{url}/moto-api/reset", method="POST")).close()
    boto3.client("s3", endpoint_url=url).create_bucket(Bucket="photos")
    S3FileSystem.clear_instance_cache()  # of the server of another test
    yield
    server.stop()
