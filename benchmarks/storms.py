"""kill -9 at random moments, full disks and a read-only one: what embed and index lose by it.

    python -m benchmarks.storms [--kills 20] [--disks 5] [--seed 0]

Each command is run again until it ends by itself, as its error says, and what it made is compared
with an undisturbed run: the bytes of the store's files, every row of the index with
``clipvec.check``. Disks are small file systems in memory, which only root may mount.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.embed_memory import write_model
from clipvec import paths
from clipvec.config import ChromaConfig
from clipvec.index import open_index

EMBED = ["dataset=sample", "sharding=x1", "batch_size=16", "part_rows=16", "store.thumbnail=64"]
DRAWN = ["experiment=synthetic", "dataset.rows=6000", "dataset.dim=64", "dataset.clusters=50"]
INDEX = [*DRAWN, "sharding=x1"]


@dataclass(frozen=True)
class Command:
    """A command and what it makes."""

    name: str
    options: list[str]
    place: str
    """The option that says where."""
    truth: Path
    """What an undisturbed run made."""

    def start(self, work: Path, where: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", f"clipvec.{self.name}", *self.options, f"{self.place}={where}"],
            cwd=work,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, work: Path, where: Path) -> tuple[int, str]:
        """Return the exit code of a whole run, and what it wrote to stderr."""
        process = self.start(work, where)
        _, said = process.communicate()
        return process.returncode, said

    def finish(self, work: Path, where: Path, code: int, said: str) -> Counter[str]:
        """Return what differs after a run that ended by itself, rebuilt if its error says so."""
        seen = Counter[str]()
        if code and "--rebuild" in said:  # killed while Chroma wrote its graph
            seen["rebuilt"] = 1
            code, said = replace(self, options=[*self.options, "rebuild=true"]).run(work, where)
        assert code == 0, said
        seen.update(self.compare(work, where))  # a sum would leave out what is 0
        return seen

    def compare(self, work: Path, where: Path) -> Counter[str]:
        """Return what differs from the undisturbed run."""
        if self.name == "embed":
            ours, theirs = ids_of(where), ids_of(self.truth)
            same = parquet_bytes(where) == parquet_bytes(self.truth)
        else:
            ours, theirs = indexed(where), ids_of(self.truth)
            options = ["model=synthetic", "dataset=synthetic", f"store.root={self.truth}"]
            code, said = Command("check", options, self.place, self.truth).run(work, where)
            assert code in {0, 1}, said
            same = code == 0
        return Counter(
            results=1,
            lost=len(set(theirs) - set(ours)),
            doubled=len(ours) - len(set(ours)),
            unequal=int(not same),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, help="of each command")
    parser.add_argument("--disks", type=int, default=5, help="full ones, for each command")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for command in commands(work):
            say(f"{command.name}, killed", killed(command, work, options.kills, rng))
            if os.geteuid() == 0:
                say(f"{command.name}, disk full", filled(command, work, options.disks))
                say(f"{command.name}, disk read-only", read_only(command, work))


def commands(work: Path) -> list[Command]:
    """Return the commands, after an undisturbed run of each."""
    write_model(work / "model")
    model = ["model=local", f"model.pretrained=local-dir:{work}/model"]
    embed = Command("embed", [*EMBED, *model], "store.root", work / "calm")
    drawn = work / "drawn"
    draw = Command("embed", [*INDEX, "part_rows=512"], "store.root", drawn)
    index = Command("index", [*INDEX, "batch_rows=512", f"store.root={drawn}"], "index.path", drawn)
    for command, where in ((embed, embed.truth), (draw, drawn), (index, work / "index")):
        code, said = command.run(work, where)
        assert code == 0, said
    return [embed, index]


def killed(command: Command, work: Path, kills: int, rng: random.Random) -> Counter[str]:
    """Kill a command at random moments, until it has ended by itself after the last."""
    where, seen = work / f"{command.name}-killed", Counter[str]()
    started = time.monotonic()
    code, said = command.run(work, work / f"{command.name}-timed")
    assert code == 0, said
    seconds = time.monotonic() - started
    while seen["kills"] < kills:
        process = command.start(work, where)
        try:
            _, said = process.communicate(timeout=rng.uniform(0.2, 1) * seconds)
            seen.update(command.finish(work, where, process.returncode, said))
            where = where.with_name(f"{command.name}-{seen['results']}")
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            seen["kills"] += 1
    seen.update(command.finish(work, where, *command.run(work, where)))
    return seen


def filled(command: Command, work: Path, disks: int) -> Counter[str]:
    """Let a command end on full disks of several sizes, and continue with more space."""
    seen = Counter[str]()
    need = size(work / f"{command.name}-timed")
    for number in range(disks):
        with small_disk(work, need * (number + 1) // (disks + 2)) as disk:
            code, said = command.run(work, disk)
            assert code == 1, said
            seen["full"] += 1
            seen["without one line"] += int("Traceback" in said or "\nerror: " not in f"\n{said}")
            remount(disk, f"size={8 * need + 2**26}")
            seen.update(command.finish(work, disk, *command.run(work, disk)))
    return seen


def read_only(command: Command, work: Path) -> Counter[str]:
    """Let a command end on a disk that cannot be written, and continue when it can."""
    with small_disk(work, 2**27) as disk:
        remount(disk, "ro")
        code, said = command.run(work, disk)
        assert code == 1, said
        bad = int("Traceback" in said or "\nerror: " not in f"\n{said}")
        remount(disk, "rw")
        seen = command.finish(work, disk, *command.run(work, disk))
        seen["without one line"] = bad
        return seen


@contextlib.contextmanager
def small_disk(work: Path, size: int) -> Iterator[Path]:
    """Yield a file system in memory."""
    disk = work / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)
        disk.rmdir()


def remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", disk], check=True)


def parquet_bytes(root: Path) -> dict[str, bytes]:
    return {str(f.relative_to(root)): f.read_bytes() for f in root.rglob("*.parquet")}


def ids_of(root: Path) -> list[str]:
    files = sorted(root.rglob("part-*.parquet"))
    return [id for file in files for id in pq.read_table(file, columns=["id"])["id"].to_pylist()]


def indexed(where: Path) -> list[str]:
    name = paths.collection_name("synthetic", "synthetic")
    with open_index(ChromaConfig(str(where)), name, bare=True) as index:
        return [str(id) for id in index._rows.get(include=[])["ids"]]  # type: ignore[attr-defined]


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def say(what: str, seen: Counter[str]) -> None:
    names = ("kills", "full", "without one line", "rebuilt", "results", "lost", "doubled")
    counts = [f"{seen[name]} {name}" for name in names if name in seen]
    counts.append(f"{seen['unequal']} of {seen['results']} unequal")
    print(f"{what}: {', '.join(counts)}", flush=True)


if __name__ == "__main__":
    main()
