"""A folder of images that changes, and the index with it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.e2e.conftest import Run
from tests.embed.growing import photos, write_photo


def test_every_day(run: Run, tmp_path: Path, tiny: list[str]) -> None:
    folder = photos(tmp_path / "photos", 12)
    here = ["dataset.name=photos", *tiny[:1]]
    embed = ["dataset=folder", *tiny, "dataset.path=photos", "sharding.count=4"]

    def ids() -> set[str]:
        found = run("search", "a cat", "--json", "-k", "50", *tiny).stdout
        return {hit["id"] for hit in json.loads(found)}

    run("embed", *embed)
    run("index", *here)
    files = {file.name for file in folder.iterdir()}
    assert ids() == files

    (folder / "00.png").unlink()
    (folder / "01.png").rename(folder / "moved.png")
    write_photo(folder / "02.png", 40)
    write_photo(folder / "new.png", 41)
    planned = run("embed", *embed)
    said = "photos: 1 new, 1 changed, 1 moved, 1 gone since it was last embedded"
    assert f"{said}; generation 1 has 1 shard" in planned.stderr
    assert "1 shard: 3 images (1 of them embedded before), 0 rejects, " in planned.stdout
    assert "; 3 rows replaced or gone; " in planned.stdout
    # at once what is gone, with the next index what is new
    (fault,) = run("check", *here, exit_code=1).stdout.splitlines()
    assert fault.startswith("3 of 3 rows of shard-00004/part-00000.parquet are missing in ")
    assert ids() == files - {"00.png", "01.png", "02.png"}
    assert "1 part loaded, 4 reused, 0 replaced, 3 rows deleted" in run("index", *here).stdout
    assert ids() == files - {"00.png", "01.png"} | {"moved.png", "new.png"}
    assert "; 3 rows deleted; " in run("check", *here).stdout
    assert "replaced or gone" in run("delete", *here).stdout
    name = re.findall(r"\n(\S+)  3 rows", run("delete", *here).stdout)[0]
    refused = run("delete", *here, f"undo={name}", exit_code=2).stderr
    assert "these rows were replaced by generation 1" in refused
    assert run("embed", *embed).stdout.startswith("nothing to do: 5 shards already committed")


def test_a_sweep_of_what_is_new(run: Run, tmp_path: Path, tiny: list[str]) -> None:
    folder = photos(tmp_path / "photos", 8)
    embed = ["dataset=folder", *tiny, "dataset.path=photos", "sharding.count=4"]
    sweep = ["-m", *embed, "shards=0-3", "launcher=workers", "hydra.sweeper.shards_per_job=2"]
    run("embed", *embed)
    for number in range(20, 26):
        write_photo(folder / f"{number}.png", number)
    planned = run("embed", *sweep)
    assert "generation 1 has 3 shards" in planned.stderr
    assert ": 2 jobs to start, 0 of 3 shards already committed" in planned.stderr
    assert run("jobs", "status").stdout.count(" done ") == 2
    assert "14 rows" in run("index", "dataset=folder", "dataset.path=photos", tiny[0]).stdout
    assert ": 0 jobs to start, 3 of 3 shards already committed" in run("embed", *sweep).stderr
    (folder / "20.png").unlink()
    dry = run("embed", *sweep, "launcher.dry_run=true").stdout
    assert "0 jobs" in dry
    assert ": 0 jobs to start" in run("embed", *sweep).stderr
    assert "13 rows" in run("index", "dataset=folder", "dataset.path=photos", tiny[0]).stdout
