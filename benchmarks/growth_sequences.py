"""Random sequences of new, changed, renamed, removed, deleted and lost images, with kill -9.

    python -m benchmarks.growth_sequences [--sequences 200] [--first 0]

After each step the folder is embedded, now and then indexed and compacted, or a shard is lost and
embedded again in other parts. Half of these commands are killed at a random moment of the time that
they take, and run again. At the end store and index, by turns in Chroma and in FAISS, must hold
what was embedded from scratch, but for the rows that were deleted. Prints a line for each sequence,
and why where that is not so.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import open_clip

from clipvec.check.run import check
from clipvec.compact.run import compact
from clipvec.config import CheckConfig, CompactConfig, EmbedConfig, IndexCommandConfig, read_command
from clipvec.embed.run import embed_shards
from clipvec.index import build_index
from clipvec.store import Rows, Store
from tests import stores, tiny
from tests.data.making import encode

_STEPS = 8
_COMPACTED = "compacted"
"""Stands for the deletions that cannot be taken back, as they were compacted."""

Commands = dict[str, Callable[[], object]]


class Sequence:
    """A folder that changes, and its store."""

    def __init__(self, root: Path, commands: Commands, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.folder = root / "photos"
        self.folder.mkdir()
        self.store = f"{root}/store/folder/local"
        self.commands = commands
        self.seconds: dict[str, float] = {}
        """What each command took the last time, unless it was killed."""
        self.written = self.kills = 0
        self.deleted: dict[str, set[str]] = {_COMPACTED: set()}
        """Ids by the deletion that is in force, as far as their images are as they were."""
        self.new: set[str] = set()
        """Names of images of which the store has no row yet."""
        for _ in range(int(self.rng.integers(5, 25))):
            self.add()

    def files(self, most: int) -> list[Path]:
        """Return some files, but not the last one."""
        names = sorted(self.folder.iterdir())
        count = min(int(self.rng.integers(1, most + 1)), len(names) - 1)
        return list(self.rng.choice(np.array(names, dtype=object), count, replace=False))

    def write(self, file: Path) -> None:
        """Write an image that is there once."""
        self.written += 1
        self.new.add(file.name)
        file.write_bytes(encode((self.written % 256, self.written // 256, 9), (8, 6)))

    def forget(self, file: Path) -> None:
        """Note that a row is replaced or gone, deleted or not."""
        for ids in self.deleted.values():
            ids.discard(file.name)

    def carry(self, file: Path, new: Path) -> None:
        """Note that a row goes where the same image comes, and stays deleted if it was."""
        for ids in self.deleted.values():
            if file.name in ids:
                ids.remove(file.name)
                ids.add(new.name)

    def add(self) -> None:
        """Add images."""
        for _ in range(int(self.rng.integers(1, 4))):
            self.write(self.folder / f"{self.written:04}.png")

    def change(self) -> None:
        """Change images."""
        for file in self.files(3):
            self.write(file)
            self.forget(file)

    def rename(self) -> None:
        """Rename images."""
        for file in self.files(4):
            self.written += 1
            new = self.folder / f"renamed-{self.written:04}.png"
            self.carry(file, new)
            self.new.add(new.name)
            file.rename(new)

    def remove(self) -> None:
        """Remove images."""
        for file in self.files(3):
            self.forget(file)
            file.unlink()

    def touch(self) -> None:
        """Change the time of images, and nothing else."""
        for file in self.files(3):
            self.carry(file, file)
            os.utime(file, (self.written, self.written))
            self.written += 1

    def delete(self) -> None:
        """Delete rows, and leave their images."""
        store = Store.open(self.store)
        ids = {file.name for file in self.files(3)}.difference(self.new, *self.deleted.values())
        if ids:
            self.deleted[stores.delete(store, *ids)] = ids

    def undo(self) -> None:
        """Take a deletion back."""
        if names := sorted(self.deleted.keys() - {_COMPACTED}):
            name = str(self.rng.choice(names))
            del self.deleted[name]
            stores.undo(Store.open(self.store), name)

    def embed(self) -> None:
        """Embed what changed."""
        self.run("embed")
        self.new.clear()

    def lose(self) -> None:
        """Lose a shard, as a bucket may, and embed it again in other parts."""
        shards = sorted(Path(self.store).glob("shard-*"))
        shutil.rmtree(shards[self.rng.integers(len(shards))])
        self.run("embed in other parts")

    def index(self) -> None:
        """Make the index follow."""
        self.run("index")

    def compact(self) -> None:
        """Take the bytes of deleted rows out of store and index."""
        self.run("compact")
        self.deleted = {_COMPACTED: set().union(*self.deleted.values())}

    def run(self, name: str) -> None:
        """Run a command in a process of its own, half of them killed at a random moment first."""
        command = self.commands[name]
        if self.rng.random() < 0.5:
            pid = _forked(command)
            time.sleep(self.rng.random() * self.seconds.get(name, 1))
            os.kill(pid, signal.SIGKILL)
            self.kills += os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) < 0
        started = time.perf_counter()
        _finished(command)
        self.seconds[name] = time.perf_counter() - started

    def compare(self) -> None:
        """Compare the store with one from scratch, and the index with the store."""
        _finished(self.commands["embed afresh"])
        mine, theirs = _rows(self.store), _rows(self.store.replace("/store/", "/fresh/"))
        for id in set[str]().union(*self.deleted.values()):
            del theirs[id]
        if mine.keys() != theirs.keys():
            raise AssertionError(f"ids differ: {sorted(mine.keys() ^ theirs.keys())}")
        for id, row in theirs.items():
            one, other = mine[id].pop("embedding"), row.pop("embedding")
            if mine[id] != row or not np.allclose(one, other, atol=2e-3):
                raise AssertionError(f"row {id} differs")
        _finished(self.commands["check"])


def commands(root: Path, weights: Path, kind: str) -> Commands:
    """Return the commands of a sequence in a folder with an index of a kind."""
    where = ["dataset.name=folder", f"store.root={root}/store"]
    model = ["model=local", f"model.pretrained=local-dir:{weights}"]
    data = ["dataset=folder", f"dataset.path={root}/photos", "max_removed_fraction=1"]
    cut = ["sharding.count=3", "batch_size=4", "part_rows=4"]
    index = [f"index={kind}", f"index.path={root}/index"]
    embed = read_command("embed", [*model, *data, *cut, *where], EmbedConfig)
    fresh = replace(embed, store=replace(embed.store, root=f"{root}/fresh"))
    indexing = read_command("index", [*model, *where, *index], IndexCommandConfig)
    compacting, checking = (
        read_command(name, ["model=local", *where, *index], schema)
        for name, schema in (("compact", CompactConfig), ("check", CheckConfig))
    )

    def checked() -> None:
        if faults := check(checking).faults:
            raise AssertionError(faults[0])

    return {
        "embed": partial(embed_shards, embed),
        "embed in other parts": partial(embed_shards, replace(embed, part_rows=3)),
        "embed afresh": partial(embed_shards, fresh),
        "index": partial(build_index, indexing),
        "compact": partial(compact, compacting),
        "check": checked,
    }


def _forked(command: Callable[[], object]) -> int:
    """Start a command in a fork, and return the process id."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            command()
            code = 0
        except BaseException:
            traceback.print_exc(limit=-3)
        finally:
            os._exit(code)
    return pid


def _finished(command: Callable[[], object]) -> None:
    """Run a command in a fork.

    Raises:
        RuntimeError: it failed; why is on stderr.
    """
    if code := os.waitstatus_to_exitcode(os.waitpid(_forked(command), 0)[1]):
        raise RuntimeError(f"exit code {code}")


def _rows(url: str) -> dict[str, dict[str, Any]]:
    rows = Rows.open(url)
    names = [name for name in rows.store.schema().names if name != "_source"]
    return {row["id"]: row for _, piece in rows.pieces(names) for row in piece.to_pylist()}


def run(root: Path, known: Commands, seed: int) -> None:
    """Run a sequence."""
    steps = Sequence(root, known, seed)
    steps.embed()
    for _ in range(_STEPS):
        chosen = [steps.add, steps.change, steps.rename, steps.remove, steps.touch]
        chosen += [steps.delete, steps.undo]
        for _ in range(int(steps.rng.integers(1, 4))):
            chosen[steps.rng.integers(len(chosen))]()
        steps.embed()
        if steps.rng.random() < 0.2:
            steps.lose()
        if steps.rng.random() < 0.4:
            steps.index()
        if steps.rng.random() < 0.3:
            steps.compact()
    steps.index()
    steps.compare()
    print(f"seed {seed}: as from scratch, {steps.kills} commands killed", flush=True)


def warm(root: Path, weights: Path, known: Iterable[Commands]) -> None:
    """Write a model, and import what the commands import, once for all forks.

    They run in one: threads of torch and of Chroma do not survive a fork. Modules have none.
    """
    names = root / "modules"

    def use() -> None:
        tiny.write(weights)
        for all_of_one in known:
            Sequence(root, all_of_one, 0)
            for command in all_of_one.values():
                command()
            shutil.rmtree(root)
            root.mkdir()
        names.write_text("\n".join(sys.modules), encoding="utf-8")

    _finished(use)
    for name in names.read_text(encoding="utf-8").split("\n"):
        with suppress(ImportError):
            import_module(name)
    names.unlink()
    # else each command reads the words of the tokenizer, which takes a third of its time
    open_clip.get_tokenizer = cache(open_clip.get_tokenizer)
    open_clip.get_tokenizer(f"local-dir:{weights}")
    gc.freeze()  # a collection in a fork would copy what it shares


def main() -> None:
    """Run the sequences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sequences", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    given = parser.parse_args()
    logging.disable()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        weights, root = Path(folder, "weights"), Path(folder, "sequence")
        weights.mkdir()
        root.mkdir()
        known = [commands(root, weights, kind) for kind in ("chroma", "faiss")]
        warm(root, weights, known)
        for seed in range(given.first, given.first + given.sequences):
            try:
                # in a fork: the threads that read a store do not survive one
                _finished(partial(run, root, known[seed % len(known)], seed))
            except RuntimeError as error:
                failed += 1
                print(f"seed {seed}: {error}", flush=True)
            shutil.rmtree(root)
            root.mkdir()
    print(f"{given.sequences} sequences, {failed} failed")


if __name__ == "__main__":
    main()
