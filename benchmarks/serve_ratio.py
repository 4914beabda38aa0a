"""bentoml serve compared with the server of SkyPilot's example: same model, same rows.

    python -m benchmarks.serve_ratio [--arch ViT-B-32] [--clients 32] [--rounds 3] [--seconds 10]

The bundled images, a model with random weights, and the collection that clipvec.index builds from
them; `benchmarks.example_server` gets the same vectors, with the thumbnails in its metadata. Each
round runs ours, theirs, and ours again. All queries are distinct, so that no cache helps.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import itertools
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import chromadb
import open_clip
import torch
from chromadb.config import Settings

from benchmarks.serve_load import Body, load, texts
from clipvec.store import EMBEDDING, Store, matrix

ROOT = Path(__file__).parents[1]
K = 5
"""Rows per query, the default of SkyPilot's clients."""
PAGE = 2048


def main() -> None:
    """Print the queries/s of both and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arch", default="ViT-B-32")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        work = Path(name)
        weights = work / "weights.pt"
        torch.save(open_clip.create_model(args.arch).state_dict(), weights)
        clipvec("embed", work, f"model.arch={args.arch}", f"model.pretrained={weights}")
        clipvec("index", work)
        theirs = filled(work)
        ours = stack.enter_context(bentoml_serve(work))
        example = stack.enter_context(example_server(args.arch, weights, theirs))
        compare(ours, example, args)


def clipvec(command: str, work: Path, *arguments: str) -> None:
    """Run a command on the bundled images."""
    options = ["model=local", "model.pretrained=none", "dataset=sample", "sharding=x1", *arguments]
    subprocess.run([sys.executable, "-m", f"clipvec.{command}", *options], cwd=work, check=True)


def filled(work: Path) -> Path:
    """Return the folder of the example's collection, filled with our rows."""
    folder = work / "example"
    with chromadb.PersistentClient(str(folder), Settings(anonymized_telemetry=False)) as client:
        rows = client.create_collection(
            "clip_embeddings", metadata={"hnsw:space": "cosine"}, embedding_function=None
        )
        store = Store.open(str(work / "data/store/sample/local"))
        for part in store.parts():
            for piece in store.read(part, ["id", EMBEDDING, "thumbnail"], PAGE):
                images = [base64.b64encode(p).decode() for p in piece["thumbnail"].to_pylist()]
                rows.add(
                    ids=piece["id"].to_pylist(),
                    embeddings=matrix(piece),
                    metadatas=[{"image_base64": image} for image in images],
                )
    return folder


def compare(ours: str, theirs: str, args: argparse.Namespace) -> None:
    """Take turns, since the load of a machine drifts."""
    numbers = itertools.count()

    def bodies(name: str) -> Iterator[Body]:
        for body in texts(K):
            yield body | {"text": f"{body['text']} {next(numbers)}"}

    def example() -> Iterator[Body]:
        return ({"text": b["text"], "n_results": K} for b in bodies("theirs"))

    ratios = []
    for turn in range(args.rounds):
        before = load(ours, lambda: bodies("ours"), args.clients, args.seconds)
        rival = load(theirs, example, args.clients, args.seconds)
        after = load(ours, lambda: bodies("ours"), args.clients, args.seconds)
        ratios.append((before.qps + after.qps) / 2 / rival.qps)
        print(f"round {turn}, ours   {before}\n         theirs {rival}\n         ours   {after}")
        print(f"         ratio {ratios[-1]:.2f}", flush=True)
    print(
        f"{args.arch}, {args.clients} clients: median ratio {statistics.median(ratios):.2f}; "
        f"load average {os.getloadavg()[0]:.1f}"
    )


@contextlib.contextmanager
def bentoml_serve(work: Path) -> Iterator[str]:
    """Start the service over the collection in ``work``; yield its URL."""
    port = free_port()
    environment = {"CLIPVEC_SERVE": f"index.path={work}/data/index", "BENTOML_DO_NOT_TRACK": "True"}
    command = [Path(sys.executable).with_name("bentoml"), "serve", "--port", str(port)]
    with running(command, f"http://127.0.0.1:{port}", "readyz", environment) as url:
        yield url


@contextlib.contextmanager
def example_server(arch: str, weights: Path, folder: Path) -> Iterator[str]:
    """Start the example; yield its URL."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.example_server", "--port", str(port)]
    command += ["--arch", arch, "--weights", str(weights), "--folder", str(folder)]
    with running(command, f"http://127.0.0.1:{port}", "health", {}) as url:
        yield url


@contextlib.contextmanager
def running(
    command: Sequence[str | Path],
    url: str,
    probe: str,
    environment: dict[str, str],
    cwd: Path = ROOT,
) -> Iterator[str]:
    """Run a server until the block ends."""
    process = subprocess.Popen(
        command, cwd=cwd, env=os.environ | environment, stdout=subprocess.DEVNULL
    )
    try:
        while process.poll() is None:
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                urllib.request.urlopen(f"{url}/{probe}", timeout=60).close()
                break
            time.sleep(0.1)
        else:
            sys.exit(f"{command[0]} exited with code {process.returncode}")
        yield url
    finally:
        process.terminate()
        process.wait(60)


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
