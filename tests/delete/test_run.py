from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from clipvec import config
from clipvec.config import DeleteConfig
from clipvec.delete.__main__ import COMMAND
from clipvec.delete.run import delete
from clipvec.errors import ConfigError, StoreError
from clipvec.store import DeletedRows, Entry, Store
from clipvec.store.tombstones import RemovedRow
from tests.stores import make_store

NAME = r"\d{8}T\d{6}-[0-9a-f]{8}"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path, {0: [20, 10], 1: [20]})


def asked(store: Store, **changes: Any) -> DeleteConfig:
    values = {
        "model": {"name": "toy"},
        "dataset": {"name": "toys"},
        "store": {"root": str(Path(store.url).parents[1])},
        **dict.fromkeys(("ids", "where", "file", "undo", "reason")),
        "dry_run": False,
        "ignore_missing": False,
        "forever": False,
        "max_removed_fraction": 0.2,
    }
    return config.from_dict({**values, **changes}, DeleteConfig)


def deleted(store: Store) -> list[str]:
    return [id for part in Store.open(store.url).parts() for id in part.deleted]


def test_by_ids_and_back(store: Store) -> None:
    said = delete(asked(store, ids=["0/3", "1/5"], reason="asked for"))
    root, dataset, model = store.url.rsplit("/", 2)
    same_store = f"dataset.name={dataset} model.name={model} store.root={root}"
    name = re.fullmatch(
        rf"deleted 2 rows of {store.url}: ({NAME}); "
        rf"to take it back: clipvec delete {same_store} undo=\1; "
        rf"to take the rows out of the index: clipvec index {same_store}",
        said,
    )
    assert name
    assert deleted(store) == ["0/3", "1/5"]
    assert delete(asked(store)) == (
        f"deleted from {store.url}: 2 rows\n{name[1]}  2 rows: asked for"
    )
    same = delete(asked(store, ids=["0/3", "1/5"]))
    assert same == f"{store.url}: no row to delete; nothing was changed"
    back = delete(asked(store, undo=name[1]))
    assert back.startswith(f"took the deletion of 2 rows of {store.url} back; ")
    assert deleted(store) == []
    first, second, third = delete(asked(store)).splitlines()
    assert first == f"deleted from {store.url}: 0 rows"
    assert second == f"{name[1]}  2 rows, taken back: asked for"
    assert third.endswith(f"  takes {name[1]} back")
    with pytest.raises(ConfigError, match=rf"^undo={name[1]}: no deletion .*; there are: none$"):
        delete(asked(store, undo=name[1]))


def test_what_followed_comes_back_with_it(store: Store) -> None:
    name = re.search(NAME, delete(asked(store, ids="0/3")))
    assert name
    first, second = (part.part for part in store.parts()[:2])
    later = {second.file: DeletedRows(second.sha256, ["0/25"])}
    follows = store.entries.add(Entry.now(None, later, follows=name[0]))
    assert deleted(store) == ["0/3", "0/25"]
    assert f"\n{follows}  1 row, as by {name[0]}" in delete(asked(store))
    delete(asked(store, undo=name[0]))
    assert deleted(store) == []
    assert f"\n{follows}  1 row, as by {name[0]}, taken back" in delete(asked(store))
    name = re.search(NAME, delete(asked(store, ids="0/4")))
    assert name
    gone = {first.file: DeletedRows(first.sha256, [], [RemovedRow("d" * 32, None, -1)])}
    store.entries.add(Entry.now(None, gone, follows=name[0]))
    with pytest.raises(ConfigError, match=r": 1 row of it are in no file any more"):
        delete(asked(store, undo=name[0]))
    store.entries.add(Entry.now(None, {}, generation=1))
    with pytest.raises(ConfigError, match=rf"in force; there are: {name[0]}$"):
        delete(asked(store, undo="wrong"))


def test_a_number_is_an_id(store: Store) -> None:
    with pytest.raises(ConfigError, match=r"^not in .*: 7 \(1 of 1 id\); nothing was deleted: giv"):
        delete(asked(store, ids=7))


@pytest.mark.parametrize("word", ["ids=[12_34, 0/3]", "ids=[1234]"])
def test_a_number_in_a_list_is_refused(store: Store, word: str) -> None:
    """Hydra takes the id 12_34 for the number 1234; in quotes it is what was typed."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    def ids(word: str) -> Any:
        value = OverridesParser.create().parse_override(COMMAND.words([word])[0]).value()
        return [getattr(each, "text", each) for each in value]

    with pytest.raises(ConfigError, match=r"^ids: 1234 in the list is a number.*in quotes, such"):
        delete(asked(store, ids=ids(word)))
    with pytest.raises(ConfigError, match=r"^not in .*: 12_34, 56 \(2 of 2 ids\)"):
        delete(asked(store, ids=ids('ids=["12_34", "56"]')))


@pytest.mark.parametrize("share", [29, 57, 58])
def test_the_share_that_the_message_names_is_allowed(tmp_path: Path, share: int) -> None:
    """Though 0.29 * 100 is less than 29."""
    store = make_store(tmp_path, {0: [100]})
    where = f"width<{100 + share}"
    with pytest.raises(ConfigError, match=rf"give max_removed_fraction=0.{share}$"):
        delete(asked(store, where=where))
    delete(asked(store, where=where, max_removed_fraction=share / 100))
    assert len(deleted(store)) == share


def test_by_filter(store: Store) -> None:
    delete(asked(store, where="width<102"))
    assert deleted(store) == ["0/0", "0/1", "1/0", "1/1"]
    delete(asked(store, where=["category=fish", "stars=1", "width>=105"]))
    assert set(deleted(store)) - {"0/0", "0/1", "1/0", "1/1"} == {
        *("0/9", "0/13", "0/17", "0/21", "0/29", "1/9", "1/13", "1/17"),
    }


@pytest.mark.parametrize(("where", "share"), [("width>=100", 1.0), ("category=bird", 0.5)])
def test_a_filter_that_matches_too_much(store: Store, where: str, share: float) -> None:
    with pytest.raises(ConfigError, match=rf"more than max_removed_fraction=0.2; .*={share}$"):
        delete(asked(store, where=where))
    assert deleted(store) == []
    said = delete(asked(store, where=where, dry_run=True))
    assert f"would delete {50 * share:.0f} rows of {store.url}: 0/" in said
    assert "; this will be refused: where " in said
    assert f" is satisfied by {50 * share:.0f} of 50 rows, more than" in said
    assert said.endswith(f"; if all of these are meant, give max_removed_fraction={share}")
    delete(asked(store, where=where, max_removed_fraction=share))
    assert len(deleted(store)) == 50 * share


def test_by_file(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_bytes(b"\xef\xbb\xbf0/3\r\n\r\n1/5\n0/99\n")
    with pytest.raises(ConfigError, match=r"0/99 \(1 of 3 ids\); nothing was deleted"):
        delete(asked(store, file=str(file)))
    assert deleted(store) == []
    delete(asked(store, file=str(file), ignore_missing=True))
    assert deleted(store) == ["0/3", "1/5"]
    with pytest.raises(ConfigError, match=r"^file=.*none: .*; give a UTF-8 text file, an id a li"):
        delete(asked(store, file=f"{tmp_path}/none"))
    with pytest.raises(ConfigError, match=r"^file=/dev/zero: .*is a device, .*; give a UTF-8 text"):
        delete(asked(store, file="/dev/zero"))


def test_a_dry_run_changes_nothing(store: Store) -> None:
    said = delete(asked(store, where="width<105", dry_run=True))  # not more than is allowed
    ids = "0/0, 0/1, 0/2, 0/3, 0/4, 1/0, 1/1, 1/2, 1/3, 1/4"
    assert said == f"would delete 10 rows of {store.url}: {ids}"
    said = delete(asked(store, where="width<106", dry_run=True, max_removed_fraction=1))
    assert said.endswith(": 0/0, 0/1, 0/2, 0/3, 0/4, 0/5, 1/0, 1/1, 1/2, 1/3 and 2 more")
    assert not Path(store.url, "tombstones").exists()


def test_what_is_not_clear_is_refused(store: Store) -> None:
    with pytest.raises(ConfigError, match=r"^ids and where are given; give one of ids, w"):
        delete(asked(store, ids="0/3", where="width<102"))
    with pytest.raises(ConfigError, match=r"^no id is given; nothing was deleted"):
        delete(asked(store, ids=[]))
    with pytest.raises(ConfigError, match=r"^where=\[\] names no filter"):
        delete(asked(store, where=[]))
    with pytest.raises(ConfigError, match="there is no attribute colour; choose from uri, caption"):
        delete(asked(store, where="colour=red"))
    with pytest.raises(ConfigError, match="ids"):
        asked(store, ids=1.5)
    with pytest.raises(StoreError, match="there is no store at"):
        delete(asked(store, dataset={"name": "others"}))


def test_rows_that_are_not_committed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = make_store(tmp_path, {1: [20]}, count=4)
    delete(asked(store, ids="1/3"))
    assert caplog.messages == [
        "shards that are not finished keep their rows: 0,2-3; clipvec embed finishes them"
    ]


def test_values_are_taken_as_they_are_typed() -> None:
    assert COMMAND.words(["where=stars>=2", "ids=it's, a~b.jpg", "reason=a=b"]) == [
        *("where='stars>=2'", "ids='it\\'s, a~b.jpg'", "reason='a=b'"),
    ]
    as_they_are = ["ids=[a, b]", "undo=null", "file='x y'", "model=sample", "reason=${oc.env:WHY}"]
    assert COMMAND.words([*as_they_are, "--dry-run"]) == [*as_they_are, "dry_run=true"]
