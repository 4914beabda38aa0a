"""A store in a bucket of moto's server, which speaks S3's protocol without a cloud."""

from __future__ import annotations

import logging
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import numpy as np
import pytest

from clipvec.config import ChromaConfig
from clipvec.index import open_index
from clipvec.store import Folder, Store
from tests.e2e.conftest import Run
from tests.stores import delete, make_store
from tests.waiting import until


def test_from_embed_to_dashboard(
    run: Run, tmp_path: Path, tiny: list[str], bucket: None, caplog: pytest.LogCaptureFixture
) -> None:
    options = [*tiny, "sharding=x10", "store.root=s3://photos/store"]
    done = run("embed", *options, "shards=0-3", "tracking=offline")
    assert "store: s3://photos/store/sample/local" in done.stdout
    done = run("embed", *options, "shards=0-3")
    assert done.stdout.startswith("nothing to do: 4 shards already committed")
    run("index", *options, "allow_partial=true", "tracking=offline")
    said = run("search", "a bird", "-k", "2").stdout
    assert len(said.splitlines()) == 2

    shutil.rmtree(tmp_path / "tmp" / "clipvec")  # as on any other machine
    done = run("dashboard", "--local", *options[:2], options[-1])
    assert ", 2 runs: data/dashboards/sample--local.html" in done.stdout
    page = (tmp_path / "data/dashboards/sample--local.html").read_text(encoding="utf-8")
    assert "s3://photos/store/sample/local" in page
    assert "shards 4-9" in page

    store = Store.open("s3://photos/store/sample/local")
    caplog.set_level(logging.INFO, "werkzeug")
    caplog.clear()
    assert list(store.committed()) == [0, 1, 2, 3]
    listings = [line for line in caplog.messages if "list-type=2" in line]
    # s3fs lists the folder above, too, where there are no deletions
    assert len(listings) == 4, "the store, its generations and its deletions, not its parts"
    assert not [line for line in caplog.messages if "HEAD /" in line], "one request a marker"

    (part, *_) = store.parts()
    caplog.clear()
    assert sum(map(len, store.read(part, ["id", "embedding", "caption"]))) == part.rows
    gets = [
        line for line in caplog.messages if f"GET /photos/store/sample/local/{part.file}" in line
    ]
    assert len(gets) == 3, "the footer, and what lies before and behind the thumbnails"


def test_what_another_client_writes_after_a_listing(bucket: None) -> None:
    """It is found, though s3fs keeps listings in which it is missing."""
    folder = Folder("s3://photos/listed")
    folder.write("first", b"1")
    assert folder.names() == ["first"]
    fsspec.filesystem("s3", skip_instance_cache=True).pipe_file("photos/listed/second", b"22")
    assert folder.read("second") == b"22"
    assert folder.read_each(["first", "second"]) == {"first": b"1", "second": b"22"}
    with folder.open("second") as file:
        assert file.read() == b"22"
    assert folder.size("second") == 2
    assert folder.names() == ["first", "second"]


def test_deletions_by_two_at_once(
    run: Run, tmp_path: Path, bucket: None, caplog: pytest.LogCaptureFixture
) -> None:
    """Both hold, without a lock; an open index looks at most once a second, by one listing."""
    store = make_store("s3://photos/store", {0: [20], 1: [20]})
    options = ["dataset.name=toys", "model.name=toy", "store.root=s3://photos/store"]
    run("index", *options, "sharding=x1")
    with open_index(ChromaConfig(f"{tmp_path}/data/index")) as index:
        assert sorted(index.get(["0/1", "0/2", "1/3"])) == ["0/1", "0/2", "1/3"]
        with ThreadPoolExecutor(2) as both:
            names = both.map(lambda id: delete(Store.open(store.url), id), ["0/1", "1/3"])
        assert len({*names}) == 2
        until(lambda: list(index.get(["0/1", "0/2", "1/3"])) == ["0/2"], seconds=20)
        caplog.set_level(logging.INFO, "werkzeug")
        caplog.clear()
        for _ in range(5):
            index.query(np.ones(16, np.float32), 3)
        assert len([line for line in caplog.messages if "list-type=2" in line]) <= 1
    assert run("delete", *options).stdout.startswith(f"deleted from {store.url}: 2 rows\n")
    assert ", 2 rows deleted; verified" in run("index", *options, "sharding=x1").stdout


def test_a_bucket_that_does_not_exist(run: Run, tiny: list[str], bucket: None) -> None:
    failed = run("embed", *tiny, "store.root=s3://nowhere/store", exit_code=1).stderr
    assert failed.splitlines()[-1].startswith("error: s3://nowhere/store/sample/local/store.json: ")
    assert "Traceback" not in failed
