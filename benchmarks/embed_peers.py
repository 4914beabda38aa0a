"""The whole of `clipvec embed` beside other commands that embed a folder of JPEGs.

    python -m benchmarks.embed_peers [--against 5f65bd9] [--venv /tmp/clip-retrieval] [--rounds 3]

Beside: the same command of another commit; clip-retrieval, in an environment that is made in
`--venv` unless it is there; the bare model in fp32 and bf16. Weights are random. All take turns in
each round, once with one batch and once with all images: the difference is what an image takes
after the start. OpenMP's threads wait without spinning, so that processor time is work.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import open_clip
import torch

from benchmarks.bare_model import Rate
from benchmarks.commits import ROOT, checkout
from benchmarks.photos import folder
from benchmarks.processes import Usage, measured
from benchmarks.result import result

PINNED = (
    "clip-retrieval==2.45.0",
    f"torch=={torch.__version__.partition('+')[0]}",
    "setuptools<81",
)
PASSIVE = {"OMP_WAIT_POLICY": "passive"}
CLIPVEC = "clipvec"


@dataclass(frozen=True)
class System:
    """A command that embeds ``{photos}`` into the folder ``out``."""

    name: str
    command: Sequence[str | Path]
    environment: dict[str, str]

    def run(self, photos: Path, work: Path) -> Usage:
        """Embed a folder once."""
        words = [str(word).format(photos=photos) for word in self.command]
        usage = measured(words, work, self.environment)
        shutil.rmtree(work / "out")
        return usage


@dataclass(frozen=True)
class Round:
    """One batch, and all images."""

    first: Usage
    all: Usage
    images: int
    """Of the second without those of the first."""
    total: int

    @property
    def whole(self) -> Rate:
        """Of the whole command."""
        return Rate(self.total / self.all.seconds, self.total / self.all.processor_seconds)

    @property
    def further(self) -> Rate:
        """Of the images after the first batch."""
        seconds = self.all.seconds - self.first.seconds
        processor = self.all.processor_seconds - self.first.processor_seconds
        return Rate(self.images / seconds, self.images / processor)


def main() -> None:
    """Print the rates of all, and a line for each peer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", metavar="COMMIT")
    parser.add_argument("--venv", type=Path, help="compare clip-retrieval, installed there")
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--arch", default="ViT-B-32")
    parser.add_argument("--batch-size", type=int, default=64)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        work = Path(name)
        weights = work / "weights.pt"
        logging.disable(logging.WARNING)
        torch.save(open_clip.create_model(args.arch).state_dict(), weights)
        logging.disable(logging.NOTSET)
        systems = [clipvec(CLIPVEC, ROOT, weights, args)]
        systems += [clipvec(f"{CLIPVEC} in fp32", ROOT, weights, args, "model.precision=fp32")]
        if args.against:
            tree = stack.enter_context(checkout(args.against, work / "checkout"))
            systems.append(clipvec(f"{CLIPVEC} at {args.against}", tree, weights, args))
        if args.venv:
            systems.append(clip_retrieval(args.venv, weights, args))
        compare(systems, work, args)


def clipvec(
    name: str, tree: Path, weights: Path, args: argparse.Namespace, *options: str
) -> System:
    """Return the command of a checkout."""
    words = (
        *("dataset=folder", "dataset.path={photos}", "sharding=x1", "store.root=out"),
        *(f"model.arch={args.arch}", f"model.pretrained={weights}"),
        *(f"batch_size={args.batch_size}", "tracking=disabled", *options),
    )
    command = (sys.executable, "-m", "clipvec.embed", *words)
    return System(name, command, {**PASSIVE, "PYTHONPATH": str(tree)})


def clip_retrieval(venv: Path, weights: Path, args: argparse.Namespace) -> System:
    """Return clip-retrieval's command; texts and metadata are off, there are none."""
    program = venv / "bin/clip-retrieval"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin/pip", "install", "--quiet", *PINNED], check=True)
    words = (
        *("inference", "--input_dataset", "{photos}", "--output_folder", "out"),
        *("--clip_model", f"open_clip:{args.arch}/{weights}", "--batch_size", str(args.batch_size)),
        *("--num_prepro_workers", str(len(os.sched_getaffinity(0)))),
        *("--enable_text", "False", "--enable_metadata", "False"),
    )
    return System("clip-retrieval 2.45", (program, *words), PASSIVE)


def compare(systems: list[System], work: Path, args: argparse.Namespace) -> None:
    """Let all take turns, and print what was seen."""
    few, all_ = (
        folder(work / f"photos-{count}", count) for count in (args.batch_size, args.images)
    )
    rounds: dict[str, list[Round]] = {system.name: [] for system in systems}
    bare: dict[str, list[Rate]] = {"fp32": [], "bf16": []}
    limits: dict[str, list[float]] = {precision: [] for precision in bare}
    rest = args.images - args.batch_size
    for number in range(args.rounds):
        for system in systems:
            first, last = system.run(few, work), system.run(all_, work)
            rounds[system.name].append(Round(first, last, rest, args.images))
            say(f"round {number}: {system.name}", rounds[system.name][-1:])
        for precision, rates in bare.items():
            rate, limit = bare_rate(args, precision)
            rates.append(rate)
            limits[precision].append(limit)
            print(f"round {number}: bare model in {precision}: {shown(rates[-1])}", flush=True)
    for name, seen in rounds.items():
        say(name, seen)
    ours = rounds.pop(CLIPVEC)
    for name, theirs in rounds.items():
        line(f"embed beside {name}", [r.whole for r in ours], [r.whole for r in theirs])
        if name.startswith(CLIPVEC):  # the start of others takes another time in each run
            further = [r.further for r in ours], [r.further for r in theirs]
            line(f"embed beside {name}, after the first batch", *further)
    for precision, rates in bare.items():
        line(f"embed beside the bare model in {precision}", [r.further for r in ours], rates)
        mine = statistics.median(r.further.processor for r in ours)
        limit = statistics.median(limits[precision])
        detail = f"{mine:.1f} images a second of processor time; at a large product's FLOP/s"
        name = f"embed beside the limit in {precision}"
        print(result(name, mine / limit, f"{detail} it would be {limit:.1f}"), flush=True)
    peak = statistics.median(r.all.peak_bytes for r in ours)
    for name, theirs in rounds.items():
        other = statistics.median(r.all.peak_bytes for r in theirs)
        detail = f"{peak / 1e9:.2f} and {other / 1e9:.2f} GB"
        print(result(f"peak memory of embed beside {name}", peak / other, detail))


def bare_rate(args: argparse.Namespace, precision: str) -> tuple[Rate, float]:
    """Return the rates of the bare model, in a process of its own, and their limit."""
    command = (sys.executable, "-m", "benchmarks.bare_model", "--precision", precision)
    options = ("--arch", args.arch, "--images", str(args.images // 2))
    done = subprocess.run(
        [*command, *options, "--batch-size", str(args.batch_size)],
        cwd=ROOT,
        env=os.environ | PASSIVE,
        stdout=subprocess.PIPE,
        check=True,
    )
    found = json.loads(done.stdout)
    return Rate(found["clock"], found["processor"]), found["limit"]


def say(name: str, rounds: Sequence[Round]) -> None:
    """Print the medians of some rounds."""
    whole, further = (median([getattr(r, of) for r in rounds]) for of in ("whole", "further"))
    peak = statistics.median(r.all.peak_bytes for r in rounds) / 1e9
    print(
        f"{name}: {shown(whole)}; after the first batch {shown(further)}; peak {peak:.2f} GB",
        flush=True,
    )


def shown(rate: Rate) -> str:
    """Return both rates in words."""
    return f"{rate.clock:.1f} images/s, {rate.processor:.1f} a second of processor time"


def median(rates: Sequence[Rate]) -> Rate:
    """Return the median of each."""
    return Rate(
        statistics.median(rate.clock for rate in rates),
        statistics.median(rate.processor for rate in rates),
    )


def line(name: str, ours: Sequence[Rate], theirs: Sequence[Rate]) -> None:
    """Print the result by processor time, which other work on the machine changes little."""
    pairs = list(zip(ours, theirs, strict=True))
    processor = statistics.median(a.processor / b.processor for a, b in pairs)
    clock = statistics.median(a.clock / b.clock for a, b in pairs)
    mine, other = median(ours), median(theirs)
    detail = (
        f"{mine.processor:.1f} and {other.processor:.1f} images a second of processor time; by the "
        f"clock ratio {clock:.2f}, {mine.clock:.1f} and {other.clock:.1f} images/s"
    )
    print(result(name, processor, detail), flush=True)


if __name__ == "__main__":
    main()
