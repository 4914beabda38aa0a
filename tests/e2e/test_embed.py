"""``clipvec embed`` as a subprocess: commit, resume, interruption, bad input."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from clipvec import machine
from clipvec.store import Store
from tests.data.making import png_header, write_tar
from tests.e2e.conftest import Disk, Run
from tests.waiting import until

SAMPLES = 364
"""Number of images in the bundled dataset."""


def parquet_bytes(root: Path) -> dict[str, bytes]:
    """Return the bytes of every Parquet file below ``root``, by name."""
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*.parquet"))}


def start(cwd: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "clipvec.embed", *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    until(path.exists, by=process, pause=0.002)


def photo(seed: int, size: tuple[int, int] = (96, 64)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG")
    return buffer.getvalue()


def test_all_then_nothing(run: Run, tiny: list[str], tmp_path: Path) -> None:
    first = run("embed", *tiny, "sharding=x10", "shards=0-3")
    assert first.stdout.startswith("4 shards: ")
    rest = run("embed", *tiny, "sharding=x10")
    assert rest.stdout.startswith("6 shards, 4 committed before: ")
    assert "bottleneck: " in rest.stdout
    again = run("embed", *tiny, "sharding=x10", "shards=[0-2,9]")
    assert again.stdout.startswith("nothing to do: 4 shards already committed in data/store")
    store = Store.open(str(tmp_path / "data/store/sample/local"))
    marks = store.committed()
    assert list(marks) == list(range(10))
    assert sum(mark.rows for mark in marks.values()) == SAMPLES
    assert {mark.timings["hardware"] for mark in marks.values()} == {machine.processor()}
    table = pq.read_table(sorted((tmp_path / "data/store/sample/local").rglob("part-*.parquet")))
    assert len(set(table["id"].to_pylist())) == SAMPLES
    assert table["category"].null_count == 0
    norms = np.linalg.norm(np.stack(table["embedding"].to_numpy(zero_copy_only=False)), axis=1)
    np.testing.assert_allclose(norms, 1, atol=2e-3)
    with Image.open(io.BytesIO(table["thumbnail"][0].as_py())) as thumbnail:
        assert thumbnail.format == "JPEG"
        assert max(thumbnail.size) <= 256


SMALL_PARTS = ["sharding=x1", "batch_size=16", "part_rows=32"]


@pytest.fixture
def undisturbed(run: Run, tiny: list[str], tmp_path: Path) -> dict[str, bytes]:
    run("embed", *tiny, *SMALL_PARTS, f"store.root={tmp_path / 'calm'}")
    return parquet_bytes(tmp_path / "calm")


def test_killed_at_any_moment(
    run: Run, tiny: list[str], tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    shard = tmp_path / "data/store/sample/local/shard-00000"
    for part in (0, 3, 7):
        process = start(tmp_path, *tiny, *SMALL_PARTS)
        wait_for(shard / f"part-{part:05d}.parquet", process)
        process.kill()
        process.communicate()
        before = {p.name: p.stat().st_mtime_ns for p in shard.glob("part-*")}
        assert not (shard / "done.json").exists()
    done = run("embed", *tiny, *SMALL_PARTS)
    assert "resuming after" in done.stderr
    for name, written in before.items():
        assert (shard / name).stat().st_mtime_ns == written, "a finished part was done twice"
    assert parquet_bytes(tmp_path / "data/store") == undisturbed
    assert not list(shard.glob(".*")), "temporary files are left"


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted(
    run: Run,
    tiny: list[str],
    tmp_path: Path,
    undisturbed: dict[str, bytes],
    signum: int,
    code: int,
) -> None:
    shard = tmp_path / "data/store/sample/local/shard-00000"
    process = start(tmp_path, *tiny, *SMALL_PARTS)
    wait_for(shard / "part-00002.parquet", process)
    process.send_signal(signum)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code, stderr
    assert "Traceback" not in stderr
    by = " by SIGTERM" if signum == signal.SIGTERM else ""
    assert f"error: stopped{by}; " in stderr
    assert "of shard 0 kept" in stderr
    assert "the same command resumes from there" in stderr
    assert not (shard / "done.json").exists()
    run("embed", *tiny, *SMALL_PARTS)
    assert parquet_bytes(tmp_path / "data/store") == undisturbed


def test_interrupted_before_the_first_shard(tiny: list[str], tmp_path: Path) -> None:
    process = start(tmp_path, *tiny)
    wait_for(tmp_path / "data/runs/embed", process)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 143, stderr
    assert "error: stopped by SIGTERM" in stderr


def test_disk_full(run: Run, tiny: list[str], small_disk: Disk) -> None:
    root = f"store.root={small_disk.path}"
    done = run("embed", *tiny, *SMALL_PARTS, root, exit_code=1)
    assert "No space left on device; free space there, or choose another store.root" in done.stderr
    kept = sorted(p.name for p in (small_disk.path / "sample/local/shard-00000").iterdir())
    assert kept
    assert all(name.startswith("part-") for name in kept)
    small_disk.remount("size=64m")
    run("embed", *tiny, *SMALL_PARTS, root)
    assert list(Store.open(str(small_disk.path / "sample/local")).committed()) == [0]


def test_disk_not_writable(run: Run, tiny: list[str], small_disk: Disk) -> None:
    small_disk.remount("ro")
    done = run("embed", *tiny, f"store.root={small_disk.path}", exit_code=1)
    assert "Read-only file system; choose a writable store.root" in done.stderr


def test_rejects(run: Run, tiny: list[str], tmp_path: Path) -> None:
    members = {f"{i:03d}.jpg": photo(i) for i in range(16)}
    members |= {
        "100.jpg": b"",
        "101.jpg": b"this is text",
        "102.png": png_header(40_000, 40_000),
        "001.txt": b"no longer beside its image",
    }
    members |= {f"{i}.jpg": b"this is text" for i in range(200, 208)}
    tar = write_tar(tmp_path / "a.tar", list(members.items()))
    options = [*tiny, "dataset=webdataset", f"dataset.path={tar}", "sharding=x1"]
    failed = run("embed", *options, exit_code=3)
    assert "12 of 28 images of shard 0 were rejected (" in failed.stderr
    for reason in ("1 EmptyFile", "9 NotAnImage", "1 TooManyPixels", "1 NoImage"):
        assert reason in failed.stderr
    assert "more than max_reject_fraction=0.1 of 100; the first is " in failed.stderr
    assert f"{tar}#100: " in failed.stderr
    shard = tmp_path / "data/store/webdataset/local/shard-00000"
    assert "accept them with max_reject_fraction=0.12, or fix the cause" in failed.stderr
    assert f"remove {shard} and run the same command again" in failed.stderr
    assert pq.read_table(shard / "part-00000.parquet").num_rows == 16
    ledger = pq.read_table(shard / "rejects.parquet").to_pylist()
    assert [row["id"] for row in ledger[:4]] == ["a/100", "a/101", "a/102", "a/001"]
    assert "more than max_pixels=200000000" in ledger[2]["reason"]
    accepted = run("embed", *options, "max_reject_fraction=0.12")
    assert "resuming after 1 part (16 rows)" in accepted.stderr
    assert accepted.stdout.startswith("1 shard: 0 images, 12 rejects")
    assert f"12 rejects; the first is {tar}#100: " in accepted.stderr
    listed = "clipvec rejects dataset.name=webdataset model.name=local store.root=data/store"
    assert f"; {listed} lists them" in accepted.stderr
    assert run(*listed.split()[1:]).stdout.startswith(f"12 rejects in {shard.parent}\n9  not a su")
    assert (shard / "done.json").exists()


def test_a_small_shard_without_any_image(run: Run, tiny: list[str], tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", [(f"{i}.jpg", b"this is text") for i in range(3)])
    options = [*tiny, "dataset=webdataset", f"dataset.path={tar}", "sharding=x1"]
    failed = run("embed", *options, exit_code=3).stderr
    assert "3 of 3 images of shard 0 were rejected (3 NotAnImage), all of them; the fi" in failed
    assert "accept them with max_reject_fraction=1, or fix the cause" in failed
    accepted = run("embed", *options, "max_reject_fraction=1")
    assert accepted.stdout.startswith("1 shard: 0 images, 3 rejects")


def test_one_bad_shard_does_not_sink_the_others(run: Run, tiny: list[str], tmp_path: Path) -> None:
    for name in "abc":
        bad = {f"{i}.jpg": b"text" for i in range(5)} if name == "b" else {}
        good = {f"{i + 10}.jpg": photo(i) for i in range(5)}
        write_tar(tmp_path / f"{name}.tar", list((bad | good).items()))
    options = [*tiny, "dataset=webdataset", f"dataset.path={tmp_path}/*.tar", "sharding.count=3"]
    failed = run("embed", *options, "max_reject_fraction=0", exit_code=3)
    assert "1 of 3 shards failed (1): 5 of 10 images of shard 1 were rejected" in failed.stderr
    store = Store.open(str(tmp_path / "data/store/webdataset/local"))
    assert list(store.committed()) == [0, 2]


def test_limit(run: Run, tiny: list[str], tmp_path: Path) -> None:
    done = run("embed", *tiny, "sharding=x10", "dataset.limit=20")
    assert done.stdout.startswith("10 shards: 20 images, 0 rejects")
    other = run("embed", *tiny, "sharding=x10", exit_code=2)
    assert "was made with dataset.limit 20, not None: use dataset.limit=20" in other.stderr
    again = run("embed", *tiny, "sharding=x10", "dataset.limit=20")
    assert again.stdout.startswith("nothing to do: 10 shards already committed")


def test_an_impossible_sharding_leaves_no_store(run: Run, tiny: list[str], tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar.gz", [(f"{i}.jpg", photo(i)) for i in range(5)], "w:gz")
    options = [*tiny, "dataset=webdataset", f"dataset.path={tar}", "dataset.limit=3"]
    refused = run("embed", *options, "sharding=x10", exit_code=2)
    assert refused.stderr.startswith(
        "error: dataset.limit=3 cannot be split into sharding.count=10"
    )
    assert not (tmp_path / "data/store").exists()
    assert run("embed", *options, "sharding=x1").stdout.startswith("1 shard: 3 images")


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["dataset=folder", "dataset.path=~/my {x}"], 1, "/my {x}' is not a folder"),
        (
            ["store.root=nope://bucket/x"],
            2,
            "store.root: 'nope://bucket/x/sample/vit_b_32': Protocol not known: nope",
        ),
    ],
)
def test_bad_input(run: Run, arguments: list[str], exit_code: int, message: str) -> None:
    done = run("embed", *arguments, exit_code=exit_code)
    (line,) = [x for x in done.stderr.splitlines() if x.startswith("error: ")]
    assert message in line
    assert done.stdout == ""


def test_store_of_another_model_or_sharding(
    run: Run, tiny: list[str], tmp_path: Path, tiny_weights: Path
) -> None:
    run("embed", *tiny, "sharding=x10", "shards=0")
    other = run("embed", *tiny, "sharding=x100", "shards=0", exit_code=2)
    assert "made with sharding.count 10, not 100: use sharding.count=10" in other.stderr
    columns = run("embed", *tiny, "sharding=x10", "+dataset.caption=alt", exit_code=2)
    assert "made with dataset.caption caption, not alt: use dataset.caption=cap" in columns.stderr
    import torch

    state = torch.load(tiny_weights / "open_clip_pytorch_model.bin", weights_only=True)
    torch.save({k: v * 1.5 for k, v in state.items()}, tmp_path / "open_clip_pytorch_model.bin")
    config = (tiny_weights / "open_clip_config.json").read_text()
    (tmp_path / "open_clip_config.json").write_text(config)
    options = ["model=local", f"model.pretrained=local-dir:{tmp_path}", "sharding=x10"]
    done = run("embed", *options, exit_code=2)
    assert "was made with model weights " in done.stderr


def test_folder_not_writable(run: Run, tiny: list[str], tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    done = run("embed", *tiny, f"store.root={tmp_path}/store", exit_code=1)
    assert "choose another store.root" in done.stderr
