"""The examples of docs/extending.md add kinds from other packages, and run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from clipvec.store import Store, matrix
from tests.stores import make_store, write_shard

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/extending.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """Return one section of the page."""
    (text,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    return str(text)


def install(title: str, folder: Path) -> list[str]:
    """Write the files of a section, installed like pip does, and return its command."""
    text = section(title)
    for name, content in re.findall(r"```(?:python|yaml|toml)\n# (\S+)\n(.*?)```", text, re.DOTALL):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    name, version = project["name"], project["version"]
    about = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    points = [
        f"[{group}]\n" + "".join(f"{kind} = {value}\n" for kind, value in kinds.items())
        for group, kinds in project["entry-points"].items()
    ]
    (about / "entry_points.txt").write_text("".join(points))
    (command,) = re.findall(r"```sh\n(.*?)\n```", text, re.DOTALL)
    return shlex.split(command)


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a clipvec command with the package of ``folder`` installed."""
    start = {"clipvec": ["-m", "clipvec"], "python": []}[words[0]]
    paths = [str(folder), str(ROOT), str(ROOT / "launchers")]
    return subprocess.run(
        [sys.executable, *start, *words[1:]],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def archive(tmp_path: Path) -> None:
    """Three images of one colour each in ``images.zip``."""
    with ZipFile(tmp_path / "images.zip", "w") as archive:
        for name in ("blue", "green", "red"):
            Image.new("RGB", (32, 32), name).save(tmp_path / f"{name}.png")
            archive.write(tmp_path / f"{name}.png", f"{name}.png")
        archive.writestr("readme.txt", "no image")


@pytest.mark.usefixtures("archive")
def test_a_dataset(tmp_path: Path) -> None:
    command = install("A dataset", tmp_path)
    done = run(tmp_path, *command)
    assert done.returncode == 0, done.stderr
    store = Store.open(str(tmp_path / "data/store/zip/sample"))
    rows = [
        row for part in store.parts() for piece in store.read(part) for row in piece.to_pylist()
    ]
    assert [row["id"] for row in rows] == ["blue.png", "green.png", "red.png"]
    assert [row["uri"] for row in rows] == [f"images.zip#{row['id']}" for row in rows]
    assert store.fingerprint.dataset["kind"] == "zip"
    again = run(tmp_path, *command)
    assert "nothing to do: 1 shard already committed" in again.stderr + again.stdout


@pytest.mark.usefixtures("archive")
def test_its_errors_read_like_those_of_built_in_kinds(tmp_path: Path) -> None:
    command = install("A dataset", tmp_path)
    (path,) = [word for word in command if word.startswith("dataset.path=")]
    done = run(tmp_path, *(word for word in command if word != path))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "dataset.path is not set; give it as dataset.path=..." in done.stderr
    done = run(tmp_path, *command, "dataset.kind=rar")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    known = "folder, huggingface, parquet, synthetic, webdataset, zip"
    assert f"dataset.kind='rar': one of {known}" in done.stderr


def test_a_launcher(tmp_path: Path) -> None:
    done = run(tmp_path, *install("A launcher", tmp_path), "dataset.limit=8")
    assert done.returncode == 0, done.stderr
    assert "2 jobs: 2 done; 4 of 4 shards committed" in done.stderr + done.stdout
    (folder,) = (tmp_path / "data/sweeps").iterdir()
    status = run(tmp_path, *shlex.split("clipvec jobs status"))
    assert [line.split() for line in status.stdout.splitlines()[1:]] == [
        ["0", "0", "0-1", "done"],
        ["1", "0", "2-3", "done"],
    ]
    logs = run(tmp_path, *shlex.split("clipvec jobs logs --job 1"))
    assert logs.stdout == (folder / "1.log").read_text()


def test_a_model_runtime(tmp_path: Path) -> None:
    command = install("A model runtime", tmp_path)
    done = run(tmp_path, *command)
    assert done.returncode == 0, done.stderr
    store = Store.open(str(tmp_path / "data/store/sample/colour"))
    vectors = np.concatenate(
        [matrix(piece) for part in store.parts() for piece in store.read(part)]
    )
    assert vectors.shape == (364, 3)
    np.testing.assert_allclose(np.linalg.norm(vectors.astype(np.float32), axis=1), 1, atol=2e-3)
    assert store.fingerprint.model.arch == "colour"
    text, image = store.fingerprint.model.golden.text, store.fingerprint.model.golden.image
    assert text == pytest.approx([256 / 256.0039, 0.0039, 0.0039], abs=1e-3)  # "... a red bird ..."
    assert len(image) == 3


QUERY = """
import json
import numpy as np
from clipvec.index import filters, open_index
from clipvec_numpy.config import NumpyConfig
with open_index(NumpyConfig("data/numpy")) as index:
    where = filters.parse(["category=bird", "stars>=1.5"], index.attributes)
    vector = np.arange(1, 17, dtype=np.float32)
    hits = index.query(vector, 5, where)
    (copy,) = index.query(index.vectors([hits[0].id])[hits[0].id], 9, min_score=1)
    print(json.dumps([index.count(), [[h.id, h.score] for h in hits], copy.id, copy.score]))
"""


def test_an_index_backend(tmp_path: Path) -> None:
    command = install("An index backend", tmp_path)
    store = make_store(tmp_path / "store", {0: [40, 20], 1: [30]})
    place = ["model.name=toy", "dataset.name=toys", "store.root=store", "sharding.count=2"]
    done = run(tmp_path, *command, *place)
    assert done.returncode == 0, done.stderr
    assert "90 rows; 3 parts loaded" in done.stdout
    assert "90 of 90 rows found by their own vectors" in done.stdout
    shutil.rmtree(tmp_path / "store/toys/toy/shard-00001")
    write_shard(store, 1, [35], seed=1)
    assert "0 parts loaded, 2 reused, 1 replaced" in run(tmp_path, *command, *place).stdout

    rows, vectors = [], []
    for part in store.parts():
        for piece in store.read(part):
            rows += piece.to_pylist()
            vectors.append(matrix(piece))
    query = np.arange(1, 17) / np.linalg.norm(np.arange(1, 17))
    units = np.concatenate(vectors)
    scores = units / np.linalg.norm(units, axis=1, keepdims=True) @ query
    right = [
        row["id"]
        for _, row in sorted(zip(-scores, rows, strict=True), key=lambda pair: pair[0])
        if row["category"] == "bird" and (row["stars"] or 0) >= 2
    ]
    answer = run(tmp_path, "python", "-c", QUERY)
    count, hits, copy, score = json.loads(answer.stdout)
    assert (count, [id for id, _ in hits], copy, score) == (95, right[:5], right[0], 1.0)
