from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import clipvec
from clipvec.errors import CollectionError, ConfigError, StoreError
from clipvec.paths import ReportPaths
from clipvec.recall.results import DATA
from tests.reports import report

STUB = Path(clipvec.__file__).with_suffix(".pyi")


@pytest.fixture(scope="module")
def index(sample: Path) -> Iterator[clipvec.SearchIndex]:
    with clipvec.open_index(sample / "data/index") as opened:
        yield opened


@pytest.fixture(scope="module")
def store(sample: Path) -> clipvec.StoreReader:
    return clipvec.open_store(sample / "data/store/sample/sample")


def ids(hits: list[clipvec.Hit]) -> list[str]:
    return [hit.id for hit in hits]


def test_all() -> None:
    assert sorted(clipvec.__all__) == [
        "ClipvecError",
        "EmbedSummary",
        "EvaluateSummary",
        "Evaluation",
        "Hit",
        "IndexSummary",
        "RecallSummary",
        "Report",
        "SearchIndex",
        "StoreReader",
        "__version__",
        "load_evaluation",
        "load_report",
        "open_index",
        "open_store",
        "run_embed",
        "run_evaluate",
        "run_index",
        "run_recall",
    ]
    stub = ast.parse(STUB.read_text())
    imported = [a.name for n in stub.body if isinstance(n, ast.ImportFrom) for a in n.names]
    assert sorted(imported) == sorted(clipvec.__all__) == sorted(dir(clipvec))
    for name in clipvec.__all__:
        assert getattr(clipvec, name).__doc__
        assert not (STUB.parent / name).exists()


def test_import_is_light() -> None:
    code = (
        "import time; began = time.process_time(); import clipvec, sys\n"
        "print(time.process_time() - began); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, modules = done.stdout.splitlines()
    assert float(seconds) < 0.05
    assert [m for m in modules.split() if m.startswith("clipvec")] == ["clipvec"]


def test_search_by_text(index: clipvec.SearchIndex) -> None:
    hits = index.search("a red fruit", k=3)
    assert hits[0].caption == "A strawberry"
    assert len(hits) == 3
    assert hits[0].score > hits[1].score > hits[2].score > 0.4
    assert hits[0].uri == "pkg://clipvec/sample_data/sample-0002.tar#0133"
    assert hits[0].attributes == {"category": "food"}
    assert isinstance(hits[0].image, Image.Image)
    assert hits[0].image.size == (hits[0].width, hits[0].height)
    assert "image" not in repr(hits[0])


def test_an_image_finds_itself_in_every_form(
    index: clipvec.SearchIndex, store: clipvec.StoreReader, tmp_path: Path
) -> None:
    row = store.to_arrow().slice(100, 1).to_pylist()[0]
    file = tmp_path / "image.jpg"
    file.write_bytes(row["thumbnail"])
    found = index.search(file, 5)
    assert ids(found)[0] == row["id"]
    assert index.search(row["thumbnail"], 5) == found
    assert index.search(Image.open(file), 5) == found
    assert ids(index.search(Image.open(file).convert("CMYK"), 1)) == [row["id"]]


def test_an_image_is_rotated_by_its_exif_orientation(
    index: clipvec.SearchIndex, store: clipvec.StoreReader, tmp_path: Path
) -> None:
    row = store.to_arrow().slice(100, 1).to_pylist()[0]
    (tmp_path / "upright.jpg").write_bytes(row["thumbnail"])
    lying = Image.open(tmp_path / "upright.jpg").transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    lying.save(tmp_path / "lying.png", exif=exif)
    assert ids(index.search(Image.open(tmp_path / "lying.png"), 1)) == [row["id"]]


def test_search_by_vector_and_weights(
    index: clipvec.SearchIndex, store: clipvec.StoreReader
) -> None:
    vectors, names = store.to_numpy()
    scores = vectors @ vectors[7]
    hits = index.search(3 * vectors[7], 10)
    assert ids(hits) == [names[i] for i in np.argsort(-scores)[:10]]
    np.testing.assert_allclose([hit.score for hit in hits], np.sort(-scores)[:10] * -1, atol=2e-3)
    total = vectors[7] - 0.5 * vectors[8]
    expected = [names[i] for i in np.argsort(-(vectors @ total))[:5]]
    assert ids(index.search([vectors[7], (vectors[8], -0.5)], 5)) == expected
    alone = ids(index.search("a red fruit", 5))
    assert ids(index.search([("a red fruit", 1.0), (vectors[7], 1e-6)], 5)) == alone


def test_where_and_min_score(index: clipvec.SearchIndex) -> None:
    assert index.attributes == {"category": "string"}
    hits = index.search("red", 400, where="category=animals")
    assert {hit.attributes["category"] for hit in hits} == {"animals"}
    wide = index.search("red", 400, where=["category=animals", "width>=140"])
    assert ids(wide) == [hit.id for hit in hits if hit.width >= 140]
    best = index.search("red", 400, where="category=animals", min_score=hits[4].score)
    assert ids(best) == ids(hits)[:5]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ([], "the query is empty"),
        (np.zeros(640), "length 0: this index takes finite vectors of 640 numbers"),
        (np.ones(3), r"shape \[3\]"),
        (np.full(640, np.nan), "length nan"),
        (Path("nowhere.jpg"), "image 'nowhere.jpg' cannot be used: No such file"),
        (Path("/dev/zero"), "image '/dev/zero' cannot be used: it is a device, not a regular"),
        (b"no image", "image 'in the query' cannot be used"),
        (3, "a query of type int; give a text"),
        (["a bird", ("a bird", -1)], "cancel each other out"),
    ],
    ids=str,
)
def test_invalid_queries(index: clipvec.SearchIndex, query: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        index.search(query)  # type: ignore[arg-type]


def test_vectors_need_no_encoder(sample: Path, store: clipvec.StoreReader) -> None:
    vectors, names = store.to_numpy()
    with clipvec.open_index(sample / "data/index", **{"model.arch": "gone"}) as index:
        assert ids(index.search(vectors[0], 1)) == names[:1]
        with pytest.raises(clipvec.ClipvecError, match="gone"):
            index.search("a red fruit")


def test_opening_a_missing_index(tmp_path: Path, sample: Path) -> None:
    with pytest.raises(CollectionError, match=r"there is no collection in .*nowhere"):
        clipvec.open_index(tmp_path / "nowhere")
    with pytest.raises(CollectionError, match="no collection another in"):
        clipvec.open_index(sample / "data/index", collection="another")
    options = {"collection": "sample--sample", "index.path": sample / "data/index"}
    with clipvec.open_index(index="chroma", **options) as index:
        assert repr(index) == "<SearchIndex sample--sample, 364 rows, 640 dimensions>"


def test_store(store: clipvec.StoreReader, sample: Path) -> None:
    assert (len(store), store.dim) == (364, 640)
    assert store.url == str(sample / "data/store/sample/sample")
    parts = sorted(Path(store.url).glob("shard-*/part-*.parquet"))
    table = store.to_arrow()
    assert table.column_names[:4] == ["id", "embedding", "uri", "caption"]
    assert table["id"].to_pylist() == [
        id for part in parts for id in pq.read_table(part)["id"].to_pylist()
    ]
    assert store.to_arrow(["caption", "id"]).equals(table.select(["caption", "id"]))
    vectors, names = store.to_numpy()
    assert names == table["id"].to_pylist()
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, np.array(table["embedding"].to_pylist(), np.float32))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=3e-4)
    with pytest.raises(ConfigError, match=r"has no column 'price'; it has id, embedding, uri"):
        store.to_arrow(["price"])
    with pytest.raises(StoreError, match="there is no store at"):
        clipvec.open_store(sample)


def test_summaries_when_nothing_is_left_to_do(sample: Path) -> None:
    options = {"model": "sample", "sharding": "x10", "store.root": sample / "data/store"}
    done = clipvec.run_embed("dataset=sample", shards=range(3), **options)
    assert (done.embedded, done.reused) == ([], [0, 1, 2])
    assert done.store == str(sample / "data/store/sample/sample")


def test_embed_and_index_a_folder(tmp_path: Path) -> None:
    images = tmp_path / "it's, {my} = ${HOME}"
    images.mkdir()
    for name, color in {"red": (200, 0, 0), "blue": (0, 0, 200), "green": (0, 200, 0)}.items():
        Image.new("RGB", (64, 64), color).save(images / f"{name}.png")
    options = {
        "model": "sample",
        "dataset": "folder",
        "dataset.path": images,
        "sharding": "x1",
        "store.root": tmp_path / "store",
    }
    embedded = clipvec.run_embed(**options)
    assert (embedded.embedded, embedded.timings.images, embedded.rejects) == ([0], 3, 0)
    built = clipvec.run_index(**options, **{"index.path": tmp_path / "index"})
    assert (built.rows, built.loaded, built.reused) == (3, 1, 0)
    with clipvec.open_index(tmp_path / "index") as index:
        assert ids(index.search(images / "blue.png", 1)) == ["blue.png"]


def test_a_recall_report(tmp_path: Path) -> None:
    DATA.write(made := report(), ReportPaths(tmp_path))
    found = clipvec.load_report(tmp_path)
    assert isinstance(found, clipvec.Report)
    assert found == made == clipvec.load_report(str(tmp_path / "report.json"))
    with pytest.raises(ConfigError, match="no report at"):
        clipvec.load_report(tmp_path / "none")


def test_evaluate(sample: Path, tmp_path: Path) -> None:
    options = {"model": "sample", "store.root": sample / "data/store", "captions": 20}
    found = clipvec.run_evaluate(**options, report_dir=tmp_path / "report")
    assert found.report == clipvec.load_evaluation(tmp_path / "report")
    assert [each.queries for each in found.report.models[0].retrieval] == [20, 20]


@pytest.mark.parametrize(
    ("overrides", "options", "message"),
    [
        (["batch_sise=3"], {}, "batch_sise"),
        ([], {"batch_size": 0}, "batch_size=0: input should be greater than or equal to 1"),
        ([], {"model": "nothing"}, "nothing"),
        (["model"], {}, "model is no option: those are written key=value"),
        ([], {"model": {1, 2}}, "no value of an option"),
        (["launcher=sky"], {}, "clipvec embed -m launcher=sky"),
    ],
    ids=str,
)
def test_invalid_options(overrides: list[str], options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        clipvec.run_embed(*overrides, **options)
    assert "\n" not in str(caught.value)


def test_inside_another_hydra_app(sample: Path, tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/mine.yaml").write_text("k: 2\n")
    (tmp_path / "mine.py").write_text(
        "import clipvec, hydra\n"
        "@hydra.main(version_base='1.3', config_path='conf', config_name='mine')\n"
        "def main(cfg):\n"
        f"    with clipvec.open_index({str(sample / 'data/index')!r}) as index:\n"
        "        print(*(hit.caption for hit in index.search('a red fruit', cfg.k)), sep='\\n')\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "mine.py", "k=1"],
        cwd=tmp_path,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "A strawberry\n"
