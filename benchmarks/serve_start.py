"""bentoml serve with torch and with ONNX Runtime: time to ready, and resident memory.

    python -m benchmarks.serve_start [--rounds 3] [--index data/index]

Uses the index that scripts/demo builds. The two take turns; the model is exported beforehand.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil

RUNTIMES = ("torch", "onnx")
_MIB = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--index", default="data/index")
    options = parser.parse_args()
    measure(options.index, "onnx")
    found = {runtime: [] for runtime in RUNTIMES}
    for _ in range(options.rounds):
        for runtime in RUNTIMES:
            found[runtime].append(measure(options.index, runtime))
    for runtime, rounds in found.items():
        seconds, resident, processes = map(statistics.median, zip(*rounds, strict=True))
        print(
            f"{runtime}: ready after {seconds:.1f} s; worker {resident / _MIB:,.0f} MiB resident, "
            f"all processes {processes / _MIB:,.0f} MiB"
        )
    print(f"load average {os.getloadavg()[0]:.1f}")


def measure(index: str, runtime: str) -> tuple[float, int, int]:
    """Return seconds to ready, bytes of the largest process, and bytes of all processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    overrides = f"index.path={Path(index).resolve()} model.runtime={runtime} "
    started = time.perf_counter()
    process = subprocess.Popen(
        [Path(sys.executable).with_name("bentoml"), "serve", "--port", str(port)],
        cwd=Path(__file__).parents[1],
        env=os.environ | {"CLIPVEC_SERVE": overrides, "BENTOML_DO_NOT_TRACK": "True"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_ready(f"http://127.0.0.1:{port}/readyz", process)
        seconds = time.perf_counter() - started
        ask(port)
        whole = psutil.Process(process.pid)
        sizes = [p.memory_info().rss for p in [whole, *whole.children(recursive=True)]]
        return seconds, max(sizes), sum(sizes)
    finally:
        process.terminate()
        process.wait(60)


def wait_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=60):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    sys.exit(f"bentoml serve exited with code {process.returncode}; is there an index?")


def ask(port: int) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/search",
        data=b'{"text": "a red fruit", "n_results": 5}',
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()


if __name__ == "__main__":
    main()
