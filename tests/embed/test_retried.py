"""Rejects that the next run takes up again."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipvec.store import Store, live_rejects
from tests.embed.conftest import Embed
from tests.embed.growing import photos, rows


@pytest.mark.parametrize("away", [1, 4])  # few enough to be rejected, and all of a shard
def test_files_that_are_away_for_a_moment(embed: Embed, tmp_path: Path, away: int) -> None:
    folder = photos(tmp_path / "photos", 24)
    (folder / "dangling.png").symlink_to("nowhere")
    options = {"sharding.count": 6, "max_reject_fraction": 0.1}
    embed(**options, shards="1-5")
    names = [f"{number:02}.png" for number in range(away)]
    for name in names:
        (folder / name).rename(tmp_path / name)
    assert embed(**options, shards=0).reasons["FileNotFoundError"] == away
    for name in names:
        (tmp_path / name).rename(folder / name)
    done = embed(**options)
    assert (done.timings.images, done.rejects, done.replaced) == (away, 0, 0)
    assert len(rows(done.store)) == 24
    assert "nothing to do" in str(embed(**options))
    store = Store.open(done.store)
    assert [row["id"] for _, row in live_rejects(store, store.generations.all())] == [
        "dangling.png"
    ]
