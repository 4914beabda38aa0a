"""Seconds from SIGTERM to the end of embed and of the service, while they decode large pictures.

    python -m benchmarks.sigterm [--rounds 3]

The pictures are progressive JPEGs of as many pixels as each allows, seconds of a processor each, so
that the signal comes while some are decoded in processes of their own; those have to end too.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

PICTURES = 6
EMBED_SIDE, SERVE_SIDE = 14_000, 7_000
"""Pixels; their squares are just below the default of ``max_pixels``."""
DECODER = "clipvec.model.image_worker"
BOUNDARY = "picture"
_BUSY_SECONDS = 0.3
"""Of a processor, beyond those of the start, after which a decoder has a picture."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        run("embed", "dataset=sample", f"store.root={work}/store")
        run("index", f"store.root={work}/store", f"index.path={work}/index")
        for measure in (embed, serve):
            found = sorted(measure(work) for _ in range(options.rounds))
            seconds = ", ".join(f"{last:.1f} (itself {own:.1f})" for last, own in found)
            print(f"{measure.__name__}: {seconds} s", flush=True)
    print(f"load average {os.getloadavg()[0]:.1f}")


def run(command: str, *words: str) -> None:
    words = ("model=sample", "sharding=x1", *words)
    subprocess.run([sys.executable, "-m", f"clipvec.{command}", *words], check=True)


def write_picture(file: Path, side: int) -> None:
    small = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    large = Image.fromarray(small).resize((side, side), Image.Resampling.BILINEAR)
    large.save(file, quality=50, progressive=True)


def embed(work: Path) -> tuple[float, float]:
    """Return the seconds that ``clipvec embed`` takes to end with all its processes, and alone."""
    photos = work / "photos"
    if not photos.exists():
        photos.mkdir()
        write_picture(photos / "0.jpg", EMBED_SIDE)
        for number in range(1, PICTURES):
            (photos / f"{number}.jpg").hardlink_to(photos / "0.jpg")
    store = tempfile.mkdtemp(dir=work)  # the part that is begun may be finished
    words = ["model=sample", "dataset=folder", f"dataset.path={photos}", f"store.root={store}"]
    return seconds_to_end([sys.executable, "-m", "clipvec.embed", *words, "sharding=x1"])


def serve(work: Path) -> tuple[float, float]:
    """Return the same of ``bentoml serve``, with pictures uploaded."""
    file = work / "upload.jpg"
    if not file.exists():
        write_picture(file, SERVE_SIDE)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [Path(sys.executable).with_name("bentoml"), "serve", "clipvec.service.bento:Clipvec"]
    settings = {"CLIPVEC_SERVE": f"index.path={work}/index", "BENTOML_DO_NOT_TRACK": "True"}
    uploads = [threading.Thread(target=upload, args=(port, file)) for _ in range(PICTURES)]
    found = seconds_to_end([*command, "--port", str(port)], uploads, **settings)
    for thread in uploads:
        thread.join()
    return found


def upload(port: int, file: Path) -> None:
    """Send a picture as soon as the service is ready; what it answers does not matter."""
    url = f"http://127.0.0.1:{port}"
    while True:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{url}/readyz").close()
            break
        time.sleep(0.5)
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    body = head.encode() + file.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    with contextlib.suppress(OSError):
        urllib.request.urlopen(urllib.request.Request(f"{url}/search_image", body, kind)).close()


def seconds_to_end(
    command: Sequence[str | Path], others: Sequence[threading.Thread] = (), **env: str
) -> tuple[float, float]:
    """Return the seconds from SIGTERM, sent while pictures are decoded, until all have ended.

    And those until the process itself had.
    """
    started = subprocess.Popen(
        command, env=os.environ | env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for thread in others:
        thread.start()
    process = psutil.Process(started.pid)
    idle: dict[psutil.Process, float] = {}
    while not any(
        spent(p) - idle.setdefault(p, spent(p)) > _BUSY_SECONDS for p in decoders(process)
    ):
        assert started.poll() is None
        time.sleep(0.05)
    family = process.children(recursive=True)
    told = time.perf_counter()
    started.send_signal(signal.SIGTERM)
    started.wait()
    own = time.perf_counter() - told
    _, left = psutil.wait_procs(family, timeout=60)
    assert not left, left
    return time.perf_counter() - told, own


def decoders(process: psutil.Process) -> list[psutil.Process]:
    """Return the processes that decode, once their imports are done."""
    found = []
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if DECODER in child.cmdline() and child.memory_info().rss > SERVE_SIDE**2:
                found.append(child)
    return found


def spent(process: psutil.Process) -> float:
    try:
        return float(sum(process.cpu_times()[:2]))
    except psutil.Error:
        return 0.0


if __name__ == "__main__":
    main()
