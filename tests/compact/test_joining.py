"""A store that grew every day reads as one that was embedded at once."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from clipvec import paths
from clipvec.compact.run import compact
from clipvec.config import ChromaConfig, FaissConfig
from clipvec.data import Listing
from clipvec.embed import next_generation
from clipvec.errors import StoreError
from clipvec.rejects.run import rejects
from clipvec.store import (
    CommitMarker,
    Store,
    TombstoneFolder,
    compaction,
    current,
    joining,
)
from tests.compact.conftest import Killed, asked, checked, count_writes, files
from tests.compact.grown import PLACE, changed, compacted, grow, grown, numbers, shown
from tests.stores import delete, edit, undo


def test_a_month_of_days(tmp_path: Path) -> None:
    store = grown(tmp_path, 30)
    before, kept = shown(store), files(Path(store.url, "shard-00000"))
    told = str(compact(asked(store, ChromaConfig(f"{tmp_path}/none"), dry_run=True)))
    assert told == "would join 30 small generations with others"
    assert compacted(store, tmp_path) == "joined 30 small generations with others"
    store = Store.open(store.url)
    assert list(shown(store).items()) == list(before.items()), "in the same order"
    assert files(Path(store.url, "shard-00000")) == kept
    assert [part.rows for part in store.parts()] == [20, 90]
    assert (numbers(store), store.shards, len(store.tombstones.entries)) == ([0, 31], [0, 31], 1)
    assert len(files(Path(store.url))) == 11
    assert checked(store, ChromaConfig(f"{tmp_path}/none")) == []
    kept = files(Path(store.url))
    assert compacted(store, tmp_path) == f"nothing to compact in {store.url}"
    assert files(Path(store.url)) == kept


@pytest.mark.parametrize(("second", "hardware"), [("L4", "L4"), ("T4", ""), ("", "")])
def test_the_rate_of_what_is_joined(second: str, hardware: str) -> None:
    """That of the hardware, where it was one; images that were taken over are none."""
    timings: list[dict[str, Any]] = [
        {"images": 9, "embedded": 4, "seconds": 2.0, "hardware": "L4"},
        {"images": 6, "embedded": 6, "seconds": 3.0, "hardware": second},
        {"images": 5, "embedded": 0, "seconds": 1.0, "hardware": "TPU"},
    ]
    joined = joining._timings([CommitMarker(n, 0, 0, {}, [], t) for n, t in enumerate(timings)])
    marker = CommitMarker(3, 0, 0, {}, [], joined)
    assert (marker.embedded, marker.seconds, marker.hardware) == (10, 6.0, hardware)


def test_killed_at_each_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes first goes on, compact or embed, with the same bytes in the end."""
    store, index = changed(tmp_path), ChromaConfig(f"{tmp_path}/none")
    url, origin, writes = Path(store.url), tmp_path / "origin", count_writes(monkeypatch)
    before = shown(store)
    shutil.copytree(url, origin)
    compact(asked(store, index))
    wanted, steps = files(url), writes[0]
    assert numbers(store) == [0, 6]
    for step in range(steps):
        shutil.rmtree(url)
        shutil.copytree(origin, url)
        writes[:] = [0, step]
        with pytest.raises(Killed):
            compact(asked(store, index))
        writes[:] = [0, -1]
        assert shown(Store.open(store.url)) == before, f"after step {step}"
        if step % 2:
            joining.settled(Store.open(store.url))
            assert shown(Store.open(store.url)) == before, f"after step {step}, and embed"
        compact(asked(store, index))
        assert files(url) == wanted, f"killed at step {step}"


def test_what_is_covered_stays_covered(tmp_path: Path) -> None:
    """What embed compares a dataset with is the same, deleted images and rejects included."""
    store = changed(tmp_path)

    def covered() -> dict[bytes, tuple[int, bool]]:
        now = Store.open(store.url)
        every = now.generations.all()
        table = current(every, [now.generations.plan(each) for each in every])
        return dict(zip(*(table[name].to_pylist() for name in ("name", "size")), strict=True))

    wanted, told = covered(), rejects_of(store)
    assert wanted.keys() >= {b"first-05", b"broken", b"day-001-1"}
    assert b"first-04" not in wanted
    compacted(store, tmp_path)
    assert covered() == wanted
    assert rejects_of(store) == told
    assert "broken" in told
    assert checked(store, ChromaConfig(f"{tmp_path}/none")) == []


def rejects_of(store: Store) -> str:
    from clipvec.config import RejectsConfig, from_dict, to_dict

    values = to_dict(asked(store, ChromaConfig("x")))
    kept = {name: values[name] for name in ("model", "dataset", "store")}
    return rejects(from_dict({**kept, "shown": 0}, RejectsConfig))


def test_another_image_of_the_name_of_a_deleted_one(tmp_path: Path) -> None:
    store = changed(tmp_path)
    assert "day-001-1" in shown(store)
    compacted(store, tmp_path)
    assert "day-001-1" in shown(Store.open(store.url))


def test_a_publication_that_is_lost(tmp_path: Path) -> None:
    """Readers are told, and the embed that they name publishes the rows again."""
    store = grown(tmp_path, 3)
    compacted(store, tmp_path)
    before = shown(Store.open(store.url))
    (entry,) = Path(store.url, paths.TOMBSTONES).iterdir()
    entry.unlink()
    with pytest.raises(StoreError, match="what published generation 1 is gone from"):
        Store.open(store.url).parts()
    joining.settled(Store.open(store.url))
    assert shown(Store.open(store.url)) == before


def test_lists_that_are_lost_or_of_others(tmp_path: Path) -> None:
    store = grown(tmp_path, 3)
    compacted(store, tmp_path)
    mark = Path(store.url, paths.generation(4))
    edit(mark, joins=[])
    with pytest.raises(StoreError, match=r"00004.json is damaged .its checksum is another."):
        Store.open(store.url).generations.all()
    mark.unlink()
    with pytest.raises(StoreError, match=r"0000[34].json is gone; put"):
        Store.open(store.url).parts()


def test_large_ones_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row is written again a few times in its life, and what is old and large is not."""
    monkeypatch.setattr(joining, "PART_ROWS", 4)
    store, sizes = grown(tmp_path, 0), []
    for day in range(24):
        store = grow(Store.open(store.url), [f"{day}-{n}" for n in range(3)])
        compacted(store, tmp_path)
        counts = [marker.rows for marker in Store.open(store.url).committed().values()]
        assert sum(counts) == 20 + 3 * (day + 1)
        sizes.append(len(counts) - 1)
    assert max(sizes) <= 5, "of 24 days"
    names = Path(store.url).glob("shard-*")
    assert len([*names]) == sizes[-1] + 1, "those that were joined leave nothing"
    huge = grow(Store.open(store.url), [f"huge-{n}" for n in range(100)])
    compacted(grow(huge, ["small"]), tmp_path)
    monkeypatch.setattr(joining, "_MOST_BYTES", 1)
    compacted(grow(grow(Store.open(store.url), ["a"]), ["b"]), tmp_path)
    assert numbers(store)[-2:] == [numbers(store)[-1] - 1, numbers(store)[-1]], "too many bytes"


def test_days_on_which_files_only_went(tmp_path: Path) -> None:
    """Such a generation has no shard, and the join of some is of the shard after the last."""
    store = grown(tmp_path, 1)
    for source in range(3):
        store = grow(store, [], gone={f"first-{source:02}": (0, source)})
    before = shown(store)
    assert before.keys() == {f"first-{n:02}" for n in range(3, 20)} | {
        f"day-001-{n}" for n in range(3)
    }
    assert [each.count for each in store.generations.all()] == [1, 1, 0, 0, 0]
    compacted(store, tmp_path)
    assert shown(Store.open(store.url)) == before
    for source in (3, 4):
        store = grow(Store.open(store.url), [], gone={f"first-{source:02}": (0, source)})
    joining.finish(store, joining.plan(store, store.generations.all()[-2:]))
    joining.retire(store.again())
    store = Store.open(store.url)
    assert [(each.first, each.count) for each in store.generations.all()[-2:]] == [(2, 1), (3, 1)]
    assert compacted(store, tmp_path).endswith("joined 2 small generations with others")
    assert shown(Store.open(store.url)).keys() == before.keys() - {"first-03", "first-04"}
    assert checked(store, ChromaConfig(f"{tmp_path}/none")) == []


def test_a_damaged_part_is_not_joined(tmp_path: Path) -> None:
    """Nothing is planned that could not be finished before it is mended."""
    store = grown(tmp_path, 3)
    before = shown(store)
    ledger = Path(store.url, paths.ShardPaths(0).rejects)
    ledger.write_bytes(b"of another generation")
    (part,) = Path(store.url, "shard-00002").glob("*.parquet")
    whole = part.read_bytes()
    part.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    with pytest.raises(StoreError, match=r"damaged .* embed shards=0 again"):
        compacted(store, tmp_path)
    assert numbers(store) == [0, 1, 2, 3]
    part.write_bytes(whole)
    assert compacted(store, tmp_path) == "joined 3 small generations with others"
    assert shown(Store.open(store.url)) == before


def test_a_source_that_is_lost_once_a_join_is_planned(tmp_path: Path) -> None:
    store = grown(tmp_path, 3)
    before = shown(store)
    joining.plan(store, joining.find(store))
    (part,) = Path(store.url, "shard-00002").glob("*.parquet")
    whole = part.read_bytes()
    part.unlink()
    store = joining.settled(Store.open(store.url))
    asks: Any = None
    mended, _ = next_generation(store, asks, look=False)
    assert mended.number == 2, "which embed mends first"
    part.write_bytes(whole)
    store = joining.settled(Store.open(store.url))
    assert shown(store) == before
    assert numbers(store) == [0, 4]


def test_a_joined_part_that_did_not_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a bucket mounted with a cache: the marker alone is no reason to remove the sources."""
    store = grown(tmp_path, 3)
    before, join = shown(store), joining.plan(store, joining.find(store))

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(TombstoneFolder, "add", killed)
        with pytest.raises(Killed):
            joining.finish(store, join)
    (part,) = Path(store.url, "shard-00004").glob("*.parquet")
    part.unlink()
    store = joining.settled(Store.open(store.url))
    assert shown(store) == before
    whole = part.read_bytes()
    part.unlink()
    joining.retire(store)
    assert numbers(store) == [0, 4]
    assert {each.name for each in Path(store.url).glob("shard-*")} >= {"shard-00001", "shard-00003"}
    part.write_bytes(whole)
    joining.retire(store)
    assert {each.name for each in Path(store.url).glob("shard-*")} == {"shard-00000", "shard-00004"}


def test_a_join_is_of_the_same_folder(tmp_path: Path) -> None:
    store = grown(tmp_path, 2)
    compacted(store, tmp_path)
    store = Store.open(store.url)
    plans = [store.generations.plan(each) for each in store.generations.all()]
    assert [Listing(plan).place for plan in plans] == [PLACE, PLACE]


def test_small_parts_of_a_shard(tmp_path: Path) -> None:
    from tests.stores import make_store

    store = make_store(tmp_path, {0: [200, 100, 250, 1024, 90], 1: [900, 200]})
    before = shown(store)
    delete(store, *(f"0/{n}" for n in range(10)))
    assert compacted(store, tmp_path).endswith("joined 2 small parts with others")
    store = Store.open(store.url)
    assert [part.rows for part in store.parts()] == [540, 1024, 90, 900, 200]
    assert list(shown(store)) == [id for id in before if id not in {f"0/{n}" for n in range(10)}]
    assert [paths.part_number(part.file) for part in store.parts()] == [0, 3, 4, 0, 1]
    assert compacted(store, tmp_path) == f"nothing to compact in {store.url}"
    Path(store.url, paths.ShardPaths(0).done).unlink()
    writer = Store.open(store.url).writer(0)
    assert (writer.parts, writer.rows, writer.position) == (3, 1654, 1664)


@pytest.mark.parametrize("seed", range(6))
def test_random_changes(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever grows, goes, is deleted, taken back and compacted, readers see the same rows."""
    draw, store = random.Random(seed), grown(tmp_path, 9)
    monkeypatch.setattr(joining, "PART_ROWS", draw.choice([2, 5, 1024]))
    monkeypatch.setattr(compaction, "GROUP_ROWS", draw.choice([0, 2, 256]))
    wanted, deletions, added = shown(store), dict[str, dict[str, object]](), 0
    for _ in range(25):
        store = Store.open(store.url)
        change = draw.choice(["grow", "grow", "shrink", "delete", "undo", "compact"])
        if change in {"grow", "shrink"}:
            every = store.generations.all()
            table = current(every, [store.generations.plan(each) for each in every])
            names = [name.decode() for name in table["name"].to_pylist()]
            sources = zip(table["generation"].to_pylist(), table["source"].to_pylist(), strict=True)
            places = dict(zip(names, sources, strict=True))
            some = draw.sample(names, 4)
            replaced, gone = (
                {name: places[name] for name in each} for each in (some[:2], some[2:])
            )
            if change == "shrink":
                some, replaced = some[2:], {}
            new = [f"new-{added}", *replaced] if change == "grow" else []
            added += 1
            store = grow(store, new, replaced, gone)
            for name in some:
                wanted.pop(name, None)
                for rows in deletions.values():
                    rows.pop(name, None)
            wanted |= {name: row for name, row in shown(store).items() if name in new}
            assert {*new} <= wanted.keys()
        elif change == "delete":
            ids = draw.sample(sorted(wanted), 2)
            deletions[delete(store, *ids)] = {id: wanted.pop(id) for id in ids}
        elif change == "undo" and deletions:
            name = draw.choice(sorted(deletions))
            undo(store, name)
            wanted |= deletions.pop(name)  # type: ignore[arg-type]
        elif change == "compact":
            compacted(store, tmp_path)
            deletions.clear()
        assert shown(Store.open(store.url)) == wanted, change
    compacted(store, tmp_path)
    assert shown(Store.open(store.url)) == wanted
    assert checked(store, FaissConfig(f"{tmp_path}/none")) == []
