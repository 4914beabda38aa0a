"""One's own photos, from a folder to a page and back."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import psutil

from clipvec.photos.run import choose_port
from tests.embed.growing import photos
from tests.waiting import until


def test_photos_are_served_until_ctrl_c(tiny: list[str], tmp_path: Path) -> None:
    folder = photos(tmp_path / "it's [mine] = a", 3)
    log = tmp_path / "log"
    for name in ("queue.py", "torch.py"):
        (tmp_path / name).write_text("raise SystemExit('the current folder is no place of code')")
    command = [sys.executable, "-P", "-m", "clipvec", "photos", "--no-open", str(folder), *tiny]
    with log.open("wb") as output:
        started = subprocess.Popen(
            command, cwd=tmp_path, stdout=output, stderr=subprocess.STDOUT, env=dict(os.environ)
        )
    try:
        until(lambda: "1 shard: 3 images" in log.read_text(), by=started)
        free = choose_port(None)
        with socket.create_server(("127.0.0.1", free)):  # taken while the photos were embedded
            until(lambda: "starting the page at" in log.read_text(), by=started)
        until(lambda: "search your photos at" in log.read_text(), by=started)
        url = re.findall(r"search your photos at (\S+);", log.read_text())[0]
        assert int(url.rpartition(":")[2]) > free
        assert len(httpx.post(f"{url}/search", json={"text": "a cat", "k": 5}).json()) == 3
        again = subprocess.run(
            [*command, "--port", url.rpartition(":")[2]],
            cwd=tmp_path,
            env=dict(os.environ),
            capture_output=True,
            text=True,
            check=True,
        )
        assert again.stdout.endswith(f"the page is already running at {url}\n")
        family = psutil.Process(started.pid).children(recursive=True)
        assert family
        started.send_signal(signal.SIGINT)
        assert started.wait(60) == 130
        until(lambda: not any(map(psutil.Process.is_running, family)), 60)
    finally:
        started.kill()
    said = log.read_text()
    assert "1 shard: 3 images, 0 rejects" in said
    assert "it-s-mine-a--local: 3 rows; 1 part loaded" in said
    assert "Traceback" not in said
