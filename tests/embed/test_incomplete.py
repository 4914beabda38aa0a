"""Shards that have a commit marker and not all of the files that it names."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from PIL import Image

from clipvec import config, paths
from clipvec.embed import run
from clipvec.embed.run import EmbedSummary, embed_shards
from clipvec.embed.shard import Shard
from clipvec.errors import FingerprintError, Interrupted, StoreError
from clipvec.progress import Progress
from clipvec.store import Golden, Store
from clipvec.store.folder import Folder
from clipvec.store.reading import PartReader
from tests.stores import edit_fingerprint


@pytest.fixture
def asked(tmp_path: Path, tiny_weights: Path) -> config.EmbedConfig:
    """Two shards of three images and one that is none, in parts of two rows."""
    images = tmp_path / "images"
    images.mkdir()
    for number in range(8):
        Image.new("RGB", (30, 20), (30 * number, 90, 10)).save(images / f"{number}.png")
    for broken in ("1.png", "5.png"):
        (images / broken).write_bytes(b"none")
    given = ["dataset=folder", f"dataset.path={images}", "model=local", "sharding.count=2"]
    given += [f"model.pretrained=local-dir:{tiny_weights}", f"store.root={tmp_path}/store"]
    given += ["batch_size=2", "part_rows=2", "max_reject_fraction=0.5", "model.precision=fp32"]
    with initialize_config_dir(str(paths.CONF_DIR), version_base="1.3"):
        return config.read(compose("embed", given), config.EmbedConfig)


def contents(summary: EmbedSummary) -> dict[str, bytes]:
    """Return the Parquet files of a store: a marker also has timings."""
    return {str(file): file.read_bytes() for file in Path(summary.store).rglob("*.parquet")}


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("part-00001.parquet", "shard-00001/part-00001.parquet is missing"),
        ("part-00000.parquet", "shard-00001/part-00000.parquet is missing"),
        ("rejects.parquet", "shard-00001/rejects.parquet is missing"),
        ("cut", "shard-00001/part-00001.parquet has 100 bytes, "),
    ],
)
def test_the_same_command_embeds_it_again(
    asked: config.EmbedConfig, caplog: pytest.LogCaptureFixture, lost: str, said: str
) -> None:
    first = embed_shards(asked)
    assert first.reasons == {"NotAnImage": 2}
    whole, shard = contents(first), Path(first.store, "shard-00001")
    if lost == "cut":
        part = shard / "part-00001.parquet"
        part.write_bytes(part.read_bytes()[:100])
    else:
        (shard / lost).unlink()
    again = embed_shards(asked)
    assert (again.embedded, again.reused) == ([1], [0])
    (told,) = (line for line in caplog.messages if "was committed, but" in line)
    assert told.startswith(f"shard 1 was committed, but {said}")
    assert told.endswith(": it is embedded again")
    assert contents(again) == whole
    assert embed_shards(asked).embedded == []


def test_a_folder_in_the_place_of_a_part(asked: config.EmbedConfig) -> None:
    """It may hold something: nothing is removed before it is gone."""
    first = embed_shards(asked)
    whole, part = contents(first), Path(first.store, "shard-00001/part-00000.parquet")
    part.unlink()
    part.mkdir()
    kept = {file: file.is_dir() or file.read_bytes() for file in Path(first.store).rglob("*.*")}
    with pytest.raises(StoreError, match=rf"^{part}: it is a folder; .* remove that folder"):
        embed_shards(asked)
    assert {file: file.is_dir() or file.read_bytes() for file in kept} == kept
    part.rmdir()
    embed_shards(asked)
    assert contents(first) == whole


@pytest.mark.parametrize("limit", [None, 8])
def test_a_copied_shard(asked: config.EmbedConfig, limit: int | None) -> None:
    """It is named, and not a generation that there never was."""
    asked = replace(asked, dataset=replace(asked.dataset, limit=limit))
    store = Path(embed_shards(asked).store)
    copy = Path(shutil.copytree(store / "shard-00001", store / "shard-00007"))
    with pytest.raises(StoreError, match=rf"^{copy} is of no shard of this store, which has 2: if"):
        Store.open(str(store)).planned()
    shutil.rmtree(copy)
    assert embed_shards(asked).reused == [0, 1]


def test_parts_that_are_links_are_there(asked: config.EmbedConfig, tmp_path: Path) -> None:
    """As git-annex, DVC and the cache of Hugging Face have them."""
    store = Path(embed_shards(asked).store)
    for number, file in enumerate(sorted(store.rglob("shard-*/*"))):
        file.rename(tmp_path / str(number))
        file.symlink_to(tmp_path / str(number))
    (store / "shard-00001").rename(tmp_path / "elsewhere")
    (store / "shard-00001").symlink_to(tmp_path / "elsewhere")
    again = embed_shards(asked)
    assert (again.embedded, again.reused) == ([], [0, 1])


def test_what_a_listing_lacks_is_asked_for_itself(
    asked: config.EmbedConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = embed_shards(asked)
    monkeypatch.setattr(Folder, "sizes", lambda folder, folders: {})
    assert embed_shards(asked).reused == first.embedded == [0, 1]


def test_a_job_looks_at_its_own_shards_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["experiment=synthetic", "dataset.rows=40", "dataset.clusters=5", "sharding.count=4"]
    with initialize_config_dir(str(paths.CONF_DIR), version_base="1.3"):
        asked = config.read(
            compose("embed", [*given, f"store.root={tmp_path}/store"]), config.EmbedConfig
        )
    embed_shards(replace(asked, shards="all"))
    looked: list[str] = []
    sizes = Folder.sizes
    monkeypatch.setattr(
        Folder, "sizes", lambda self, names: looked.extend(names) or sizes(self, names)
    )
    for shards in ("0", "1"):
        embed_shards(replace(asked, shards=shards))
    assert looked == ["shard-00000", "shard-00001"]


def test_a_ledger_that_a_killed_job_lost(
    asked: config.EmbedConfig, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a marker, the parts alone tell that there were rejects."""
    first = embed_shards(asked)
    whole, shard = contents(first), Path(first.store, "shard-00001")
    for lost in ("done.json", "rejects.parquet", "part-00001.parquet"):
        (shard / lost).unlink()
    assert embed_shards(asked).embedded == [1]
    assert f"{shard}/rejects.parquet lacks 1 rejects: shard 1 is embedded from its start" in (
        caplog.messages
    )
    assert contents(first) == whole


def test_a_signal_between_shards_says_what_is_kept(
    asked: config.EmbedConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(run, "_load", interrupted)  # as while weights are fetched
        with pytest.raises(Interrupted, match=r"^stopped by SIGTERM before anything was written"):
            embed_shards(asked)
    store = embed_shards(replace(asked, shards="0")).store
    monkeypatch.setattr(run, "_load", interrupted)
    with pytest.raises(Interrupted) as ended:
        embed_shards(asked)
    assert ended.value.exit_code == 143
    kept = f"what is in {store} is kept, and the same command resumes from there"
    assert str(ended.value) == f"stopped by SIGTERM between two shards; {kept}"


def test_sigterm_stops_after_the_last_part_of_a_shard(
    asked: config.EmbedConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_shard = Shard.run

    def run_and_be_told(shard: Shard, progress: Progress) -> None:
        run_shard(shard, progress)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Shard, "run", run_and_be_told)
    with pytest.raises(Interrupted) as ended:
        embed_shards(asked)
    assert "0 parts (0 rows) of shard 1 kept, 1 shard finished; the same" in str(ended.value)


@pytest.mark.parametrize("follows", [False, True])
@pytest.mark.parametrize("finished", [False, True])
def test_an_edited_store_json(asked: config.EmbedConfig, follows: bool, finished: bool) -> None:
    """It is named before anything is compared with it or written, also by who asks for the same."""
    store = Path(embed_shards(asked).store)
    if not finished:
        (store / "shard-00001/done.json").unlink()
    edit_fingerprint(store / "store.json", {"dtype": "float32"})
    kept = {file: file.read_bytes() for file in store.rglob("*.*")}
    if follows:
        asked = replace(asked, store=replace(asked.store, dtype="float32"))
    with pytest.raises(StoreError, match=r"store\.json was changed after .* other columns"):
        embed_shards(asked)
    assert {file: file.read_bytes() for file in store.rglob("*.*")} == kept


OTHERWISE: dict[str, Callable[[config.EmbedConfig], config.EmbedConfig]] = {
    "dtype": lambda asked: replace(asked, store=replace(asked.store, dtype="float32")),
    "thumbnail": lambda asked: replace(asked, store=replace(asked.store, thumbnail=64)),
    "shards": lambda asked: replace(asked, sharding=replace(asked.sharding, count=4)),
    "precision": lambda asked: replace(asked, model=replace(asked.model, precision="bf16")),
}


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("limit", [None, 8])
def test_a_lost_store_json(
    asked: config.EmbedConfig, monkeypatch: pytest.MonkeyPatch, limit: int | None, finished: bool
) -> None:
    """No other takes its place, whatever is asked for; another version of clipvec writes it anew.

    A dataset with a limit does not grow: nothing else says what its shards hold.
    """
    asked = replace(asked, dataset=replace(asked.dataset, limit=limit))
    first = embed_shards(asked)
    whole, store = contents(first), Path(first.store)
    (store / "store.json").unlink()
    if not finished:
        for shard in (0, 1):
            (store / f"shard-0000{shard}/done.json").unlink()
    kept = {file: file.read_bytes() for file in store.rglob("*.*")}
    for change in OTHERWISE.values():
        with pytest.raises(FingerprintError, match=r"/store\.json is gone, and .* give the opt"):
            embed_shards(change(asked))
        assert {file: file.read_bytes() for file in store.rglob("*.*")} == kept
    monkeypatch.setattr("clipvec.version.version", lambda: "0.2.0")
    again = embed_shards(asked)
    assert again.timings.images == 0
    assert contents(again) == whole
    assert {file: file.read_bytes() for file in kept} == kept
    assert embed_shards(asked).reused == [0, 1]
    Store.open(again.store).check_fingerprint()


@pytest.mark.parametrize("how", ["empty", "cut", "zeros", "dim", "a pipe", "a folder"])
def test_a_damaged_store_json(asked: config.EmbedConfig, how: str) -> None:
    """It is named, and what is said heals it."""
    first = embed_shards(asked)
    whole, file = contents(first), Path(first.store, "store.json")
    data = file.read_bytes()
    wrong = {"empty": b"", "cut": data[:-9], "zeros": bytes(len(data))}
    if how == "dim":
        edit_fingerprint(file, {"model": {"dim": 7}})
    elif how in wrong:
        file.write_bytes(wrong[how])
    else:
        file.unlink()
        (os.mkfifo if how == "a pipe" else Path.mkdir)(file)
    with pytest.raises(StoreError, match=r"store\.json is not what embed wrote .*; remove it") as e:
        embed_shards(asked)
    assert "codec" not in str(e.value)
    file.rmdir() if how == "a folder" else file.unlink()
    embed_shards(asked)
    assert (contents(first), file.read_bytes()) == (whole, data)


def test_a_store_json_that_another_job_wrote_meanwhile(
    asked: config.EmbedConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another device, by whose probe its parts are known: it is taken as it is."""
    url = embed_shards(asked).store
    file = Path(url, "store.json")
    data = file.read_bytes()
    made = Store.open(url).fingerprint
    file.unlink()
    other = replace(
        made,
        model=replace(made.model, golden=Golden(made.model.golden.text, made.model.golden.image)),
    )
    check_begun = PartReader.check_begun

    def late(reader: PartReader) -> None:
        try:
            check_begun(reader)
        finally:
            file.write_bytes(data)

    monkeypatch.setattr(PartReader, "check_begun", late)
    assert Store.create(url, other, {}).fingerprint == made
