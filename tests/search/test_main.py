from __future__ import annotations

import json
import logging
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipvec import config, model
from clipvec.data import decode_image
from clipvec.errors import CollectionError
from clipvec.index import aliases, open_index
from clipvec.index.query import combine
from clipvec.model import Encoder
from clipvec.progress import TerminalHandler
from clipvec.search import __main__ as search
from clipvec.search.run import run_search
from clipvec.store import Store, matrix

Search = Callable[..., str]


@pytest.fixture(scope="module")
def encoder(tiny_sample: Path) -> Encoder:
    """The encoder that built the index."""
    with open_index(config.ChromaConfig(f"{tiny_sample}/index")) as collection:
        return model.load_encoder(collection.model_config)


@pytest.fixture
def ask(
    tiny_sample: Path,
    encoder: Encoder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Search:
    """Run the command in this process; its encoder is loaded once for all tests."""
    monkeypatch.setattr("clipvec.model.load.load_encoder", lambda _: encoder)
    monkeypatch.setattr("clipvec.search.run._loaded", {})  # as in a process of its own

    def call(*arguments: str, exit_code: int = 0, stream: str = "out") -> str:
        monkeypatch.setattr(sys, "argv", ["search", *arguments, f"index.path={tiny_sample}/index"])
        if exit_code:
            with pytest.raises(SystemExit) as caught:
                search.main()
            assert caught.value.code == exit_code
            return capsys.readouterr().err
        search.main()
        return str(getattr(capsys.readouterr(), stream))

    return call


def rows_of(root: Path) -> tuple[list[str], np.ndarray]:
    """Return the ids and vectors of the store."""
    store = Store.open(f"{root}/store/sample/local")
    pieces = [piece for part in store.parts() for piece in store.read(part)]
    ids = [id for piece in pieces for id in piece["id"].to_pylist()]
    return ids, np.concatenate([matrix(piece) for piece in pieces])


def photo(path: Path) -> Path:
    pixels = np.random.default_rng(3).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((180, 120), Image.Resampling.BICUBIC).save(path)
    return path


def test_an_index_with_blanks_and_brackets_in_its_path(
    ask: Search, tiny_sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = tmp_path / "my [index], a=b"
    index.symlink_to(tiny_sample / "index")
    run_search(search.parser().parse_args(["a bird", f"index.path={index}", "--json"]))
    assert len(json.loads(capsys.readouterr().out)) == 10


def test_a_weighted_sum_of_texts_and_images_equals_numpy(
    ask: Search, tiny_sample: Path, encoder: Encoder, tmp_path: Path
) -> None:
    file = photo(tmp_path / "a photo.png")
    out = ask(
        *("a red bird^1.5", "--image", f"{file}^2", "--minus", "a person", "--text", "size=9"),
        *("-k", "1000", "--json"),
    )
    pixels = decode_image(file.read_bytes(), encoder.preprocess.target, 10**8).image
    image = encoder.encode_images(encoder.preprocess(pixels)[None])
    texts = encoder.encode_texts(["a red bird", "size=9", "a person"])
    query = combine(np.concatenate([texts, image]), [1.5, 1, -1, 2])
    ids, vectors = rows_of(tiny_sample)
    answer = dict(zip(ids, vectors @ query / np.linalg.norm(vectors, axis=1), strict=True))
    hits = json.loads(out)
    assert {hit["id"] for hit in hits} == set(ids)
    scores = [hit["score"] for hit in hits]
    assert scores == sorted(scores, reverse=True)
    np.testing.assert_allclose(scores, [answer[hit["id"]] for hit in hits], atol=1e-5)


def test_json_has_every_field_of_a_row(ask: Search) -> None:
    first = json.loads(ask("anything", "-k", "1", "--json"))[0]
    assert first["uri"].startswith("pkg://clipvec/sample_data/")
    assert set(first) == {
        *("id", "score", "uri", "caption", "width", "height", "attributes", "part", "row")
    }


def test_a_table_written_to_a_pipe(ask: Search) -> None:
    lines = ask("a bird", "-k", "3", "--where", "category=animals").splitlines()
    assert len(lines) == 3
    assert all(len(line.split("\t")) == 4 for line in lines)


def test_filters_and_minimum_score(ask: Search) -> None:
    found = json.loads(ask("x", "--where", "category=animals", "-k", "999", "--json"))
    assert {hit["attributes"]["category"] for hit in found} == {"animals"}
    narrow = json.loads(
        ask("x", "--where", "category=animals", "--where", "width<200", "-k", "999", "--json")
    )
    assert [hit["id"] for hit in narrow] == [hit["id"] for hit in found if hit["width"] < 200]
    assert json.loads(ask("x", "--min-score", "1.1", "--json")) == []


def test_where_no_row_matches(ask: Search) -> None:
    said = ask("x", "--where", "category=animal", "--where", "width>10", stream="err")
    assert said.startswith("no rows match; category of the nearest rows: animals")


def test_the_best_score_where_all_are_below_the_lowest(ask: Search) -> None:
    (best,) = json.loads(ask("x", "-k", "1", "--json"))
    said = ask("x", "--min-score", "1.1", stream="err")
    assert said == f"no rows match; the best score is {best['score']:.4f}, below --min-score 1.1\n"


def test_a_page_with_thumbnails(ask: Search, tmp_path: Path) -> None:
    ask("<script>", "-k", "4", "--html", str(tmp_path / "page.html"))
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/jpeg;base64,') == 4
    assert "&lt;script&gt;" in page
    assert page.count("<script") == 1  # the one of every page


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "nothing to search for"),
        (["a", "-k", "0"], 2, "-k 0: at least 1 row"),
        (["a", "--min-score", "nan"], 2, "--min-score nan: a cosine is a number from -1 to 1"),
        (["a", "--min-score", "inf"], 2, "--min-score inf: a cosine is a number"),
        (["a", " "], 2, "a text to search for is empty"),
        (["a=b"], 2, "a=b is an option, --text makes it a text"),
        (["a", "--html", "none/x.html"], 2, "--html none/x.html: there is no such folder"),
        (
            ["a", "--where", "colour=red"],
            2,
            "there is no attribute colour; choose from uri, caption",
        ),
        (["--image", "missing.jpg"], 2, "image 'missing.jpg' cannot be used: No such file"),
        (["--image", "/dev/zero"], 2, "image '/dev/zero' cannot be used: it is a device, not"),
        (["--image", __file__], 2, "test_main.py' cannot be used: not a supported image"),
        (["a", "--minus", "a"], 2, "cancel each other out"),
        (["a", "collection=x--y"], 1, "there is no collection x--y"),
        (["a", "index=annoy"], 2, "annoy"),
        (["a", "index.colour=red"], 2, "colour"),
    ],
)
def test_bad_input(ask: Search, arguments: list[str], code: int, message: str) -> None:
    err = ask(*arguments, exit_code=code)
    assert message in err
    assert len(err.splitlines()) == 1


def test_an_image_whose_path_the_shell_cut(
    ask: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my bird.jpg").touch()
    err = ask("at night", "--image", "my", "bird.jpg", exit_code=2)
    assert "quotes: clipvec search 'at night' --image 'my bird.jpg'" in err


def test_another_model_is_refused(
    ask: Search, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipvec.search.run._loaded", {})  # by the searches before
    monkeypatch.setattr(encoder, "weights", "0" * 64)
    err = ask("a bird", exit_code=2)
    assert "was made with model weights" in err


def test_each_search_chooses_its_collection(
    two_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one process, as in the one that stays loaded."""
    where = config.FaissConfig(str(shutil.copytree(two_models / "faiss", tmp_path / "faiss")))

    def found(*chosen: str) -> list[tuple[str, float]]:
        place = ["index=faiss", f"index.path={where.path}", *chosen]
        run_search(search.parser().parse_args(["a bird", *place, "--json"]))
        return [(hit["id"], hit["score"]) for hit in json.loads(capsys.readouterr().out)]

    right = {name: found(f"collection=sample--{name}") for name in ("one", "two")}
    assert right["one"] != right["two"]
    for name in (*right, "one"):
        assert found("dataset=sample", f"model.name={name}") == right[name]
        aliases.switch(where, "live", f"sample--{name}", {})
        assert found("collection=live") == right[name]
    with pytest.raises(CollectionError, match=r"no collection of dataset\.name=imagenet in"):
        found("dataset=imagenet")


def test_a_warning_has_no_level_and_no_module(
    two_models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    where = [f"index.path={two_models}/faiss", "index=faiss"]
    monkeypatch.setattr(sys, "argv", ["search", "a bird", "--no-daemon", *where])
    search.main()
    error = capsys.readouterr().err
    assert re.match(r"sample--(one|two) is the newest collection in .*; others: coll", error)
    assert not any(isinstance(each, TerminalHandler) for each in logging.getLogger().handlers)


def test_a_model_override_replaces_the_collections(tiny_weights: Path) -> None:
    made = config.ModelConfig("made", "ViT-B-32", "openai")
    local = ["model=local", f"model.pretrained=local-dir:{tiny_weights}"]
    chosen = config.read_command("search", local, config.SearchConfig).model.over(made)
    assert chosen == config.ModelConfig("local", "local", f"local-dir:{tiny_weights}")
    assert config.read_command("search", [], config.SearchConfig).model.over(made) == made
    assert config.read_command("search", ["model.runtime=onnx"], config.SearchConfig).model.over(
        made
    ) == replace(made, runtime="onnx")


def test_the_precision_of_the_collection(sample: Path) -> None:
    """Full precision, given for equal results everywhere, is that of the queries too."""
    with open_index(config.ChromaConfig(f"{sample}/data/index")) as collection:
        assert collection.info.model["precision"] == "fp32"
        assert collection.model_config.precision == "fp32"
        half = config.ModelConfig.of_store({**collection.info.model, "precision": "bf16"})
    assert half.precision == "auto", "this machine may not have it"
