from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import clipvec
from clipvec import config
from clipvec.config import RejectsConfig
from clipvec.data.formats import FORMATS_READ
from clipvec.errors import StoreError
from clipvec.rejects.run import rejects
from clipvec.store import Store
from tests.embed.growing import forever, photos, write_photo


def listed(root: Path, shown: int = 5) -> str:
    values = {
        "model": {"name": "local"},
        "dataset": {"name": "photos"},
        "store": {"root": f"{root}/store"},
        "shown": shown,
    }
    found = rejects(config.from_dict(values, RejectsConfig))
    return found.replace(str(root), "ROOT")


def rejects_of_deleted(folder: Path, options: dict[str, Any]) -> str:
    """Delete an image forever, and return the line of its copy."""
    store = f"{options['store.root']}/photos/local"
    forever(store, "00.png")
    shutil.copy(folder / "00.png", folder / "copy.png")
    clipvec.run_embed(**options)
    lines = listed(folder.parent).splitlines()
    return lines[lines.index("1  it was deleted forever") + 1]


def test_what_was_rejected(tmp_path: Path, tiny_weights: Path) -> None:
    folder = photos(tmp_path / "photos", 3)
    options = {
        "model": "local",
        "model.pretrained": f"local-dir:{tiny_weights}",
        "dataset": "folder",
        "dataset.path": folder,
        "store.root": tmp_path / "store",
        "sharding.count": 1,
        "max_reject_fraction": 1,
    }
    for name in ("a.jpg", "b.jpg", "c\x1b.png", "d.png"):
        (folder / name).write_bytes(b"")
    (folder / "e.jpg").write_bytes(b"no image")
    summary = clipvec.run_embed(**options)
    assert "3 images, 5 rejects (4 EmptyFile, 1 NotAnImage), " in str(summary)
    wrong = f"1  not a supported image format ({FORMATS_READ})\n\tROOT/photos/e.jpg"
    assert listed(tmp_path, 2) == (
        "5 rejects in ROOT/store/photos/local\n4  the file is empty (0 bytes)\n"
        "\tROOT/photos/a.jpg\n\tROOT/photos/b.jpg\n\tand 2 more; shown=0 shows all\n" + wrong
    )
    assert "\tROOT/photos/c .png\n\tROOT/photos/d.png\n1  " in listed(tmp_path, 0)
    write_photo(folder / "a.jpg", 7)
    (folder / "b.jpg").unlink()
    (folder / "d.png").write_bytes(b"\xff\xd8\xff")
    store = Store.open(clipvec.run_embed(**options).store)
    first, *rest = listed(tmp_path).splitlines()
    assert first == "3 rejects in ROOT/store/photos/local"
    assert [line for line in rest if line.startswith("\t")] == [
        *("\tROOT/photos/c .png", "\tROOT/photos/e.jpg", "\tROOT/photos/d.png")
    ]
    found = rejects_of_deleted(folder, options)
    assert found == "\tcopy.png"
    ledger = next(Path(store.url).glob("*/rejects.parquet"))
    ledger.write_bytes(ledger.read_bytes()[:-9])
    with pytest.raises(StoreError, match=r"rejects.parquet is damaged .*; clipvec check says how"):
        listed(tmp_path)
