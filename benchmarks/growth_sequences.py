"""Random sequences of new, changed, renamed, removed and deleted images, with kill -9 in each.

    python -m benchmarks.growth_sequences [--sequences 200] [--first 0]

After each step the folder is embedded, or indexed and compacted too; half of these commands are
killed at a random moment and run again. At the end store and index, by turns in Chroma and in
FAISS, must hold what was embedded from scratch, but for the rows that were deleted. Prints a line
for each sequence, and why where that is not so.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import clipvec
from clipvec.check.run import check
from clipvec.compact.run import compact
from clipvec.config import CheckConfig, CompactConfig, read_command
from clipvec.store import Rows, Store
from tests import stores, tiny
from tests.data.making import encode

_STEPS = 8
_CARRIED = "carried"
"""Stands for the deletions that cannot be taken back: those that embed makes, of images that were
deleted and came again, and those that were compacted."""
_SECONDS = 1.5
"""Before a command is killed, at most; one takes about a second."""


class Sequence:
    """A folder that changes, and its store."""

    def __init__(self, root: Path, weights: Path, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.folder = root / "photos"
        self.folder.mkdir()
        self.options: dict[str, Any] = {
            "model": "local",
            "model.pretrained": f"local-dir:{weights}",
            "dataset": "folder",
            "dataset.name": "folder",
            "store.root": root / "store",
        }
        self.embed_options = {
            "dataset.path": self.folder,
            "sharding.count": 3,
            "batch_size": 4,
            "part_rows": 4,
            "max_removed_fraction": 1,
        }
        self.index_options = {"index": ("chroma", "faiss")[seed % 2], "index.path": root / "index"}
        self.written = self.kills = 0
        self.deleted: dict[str, set[str]] = {_CARRIED: set()}
        """Ids by the deletion that is in force, as far as their images are as they were."""
        self.new: set[str] = set()
        """Names of images of which the store has no row yet."""
        self.moved: set[str] = set()
        """Names of images that the store has under another name or time."""
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
        self.moved.add(new.name)
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
        store = Store.open(f"{self.options['store.root']}/folder/local")
        ids = {file.name for file in self.files(3)}.difference(self.new, *self.deleted.values())
        if ids:
            self.deleted[stores.delete(store, *ids)] = ids

    def undo(self) -> None:
        """Take a deletion back."""
        if names := sorted(self.deleted.keys() - {_CARRIED}):
            name = str(self.rng.choice(names))
            del self.deleted[name]
            stores.undo(Store.open(f"{self.options['store.root']}/folder/local"), name)

    def embed(self) -> None:
        """Embed what changed."""
        self.killed(lambda: clipvec.run_embed(**self.options, **self.embed_options))
        for ids in [*self.deleted.values()]:
            carried = ids & self.moved
            ids.difference_update(carried)
            self.deleted[_CARRIED] |= carried
        self.new.clear()
        self.moved.clear()

    def index(self) -> None:
        """Make the index follow."""
        self.killed(lambda: clipvec.run_index(**self.options, **self.index_options))

    def compact(self) -> None:
        """Take the bytes of deleted rows out of store and index."""
        self.killed(lambda: compact(read_command("compact", self.overrides(), CompactConfig)))
        self.deleted = {_CARRIED: set().union(*self.deleted.values())}

    def overrides(self) -> list[str]:
        """Return the options of commands that read store and index."""
        asked = {k: v for k, v in self.options.items() if k != "model.pretrained"}
        return [f"{k}={v}" for k, v in {**asked, **self.index_options}.items()]

    def killed(self, command: Callable[[], object]) -> None:
        """Run a command in a process of its own, half of them killed at a random moment first."""
        if self.rng.random() < 0.5:
            pid = _forked(command)
            time.sleep(self.rng.random() * _SECONDS)
            os.kill(pid, signal.SIGKILL)
            self.kills += os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) < 0
        _, status = os.waitpid(_forked(command), 0)
        if status:
            raise RuntimeError(f"exit code {os.waitstatus_to_exitcode(status)}")

    def compare(self, fresh: Path) -> None:
        """Compare the store with one from scratch, and the index with the store."""
        mine = _rows(f"{self.options['store.root']}/folder/local")
        options = {**self.options, **self.embed_options, "store.root": fresh}
        os.waitpid(_forked(lambda: clipvec.run_embed(**options)), 0)
        theirs = _rows(f"{fresh}/folder/local")
        for id in set[str]().union(*self.deleted.values()):
            del theirs[id]
        if mine.keys() != theirs.keys():
            raise AssertionError(f"ids differ: {sorted(mine.keys() ^ theirs.keys())}")
        for id, row in theirs.items():
            one, other = mine[id].pop("embedding"), row.pop("embedding")
            if mine[id] != row or not np.allclose(one, other, atol=2e-3):
                raise AssertionError(f"row {id} differs")
        if faults := check(read_command("check", self.overrides(), CheckConfig)).faults:
            raise AssertionError(faults[0])


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


def _rows(url: str) -> dict[str, dict[str, Any]]:
    rows = Rows.open(url)
    names = [name for name in rows.store.schema().names if name != "_source"]
    return {row["id"]: row for _, piece in rows.pieces(names) for row in piece.to_pylist()}


def run(root: Path, weights: Path, seed: int) -> int:
    """Run one sequence, and return how many commands were killed."""
    steps = Sequence(root, weights, seed)
    steps.embed()
    for _ in range(_STEPS):
        chosen = [steps.add, steps.change, steps.rename, steps.remove, steps.touch]
        chosen += [steps.delete, steps.undo]
        for _ in range(int(steps.rng.integers(1, 4))):
            chosen[steps.rng.integers(len(chosen))]()
        steps.embed()
        if steps.rng.random() < 0.4:
            steps.index()
        if steps.rng.random() < 0.3:
            steps.compact()
    steps.index()
    steps.compare(root / "fresh")
    return steps.kills


def main() -> None:
    """Run the sequences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sequences", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    given = parser.parse_args()
    logging.disable()
    # imported once, and used by the forks alone: threads of torch do not survive one
    import clipvec.embed.run
    import clipvec.index.build
    import clipvec.model.torch.encoder  # noqa: F401

    failed = 0
    with tempfile.TemporaryDirectory() as weights:
        os.waitpid(_forked(lambda: tiny.write(Path(weights))), 0)
        for seed in range(given.first, given.first + given.sequences):
            with tempfile.TemporaryDirectory() as folder:
                # in a process of its own: the threads that compare an index do not survive a fork
                pid = _forked(partial(_report, Path(folder), Path(weights), seed))
                failed += os.waitpid(pid, 0)[1] != 0
    print(f"{given.sequences} sequences, {failed} failed")


def _report(root: Path, weights: Path, seed: int) -> None:
    kills = run(root, weights, seed)
    print(f"seed {seed}: as from scratch, {kills} commands killed", flush=True)


if __name__ == "__main__":
    main()
