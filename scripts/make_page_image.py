"""Take docs/images/page.png, a screenshot of the service's page over the bundled images.

    python scripts/make_page_image.py [INDEX]

INDEX: a folder made by ``clipvec index model=sample``; built if not given.
"""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

import clipvec

ROOT = Path(__file__).resolve().parents[1]
PAGE_IMAGE = ROOT / "docs/images/page.png"
BENTOML = Path(sys.executable).with_name("bentoml")
WIDTH, HEIGHT = 1200, 780


def main() -> None:
    """Start the service, search, and take the screenshot."""
    with tempfile.TemporaryDirectory() as folder:
        index = Path(sys.argv[1]) if sys.argv[1:] else make_index(Path(folder))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        service = subprocess.Popen(
            [BENTOML, "serve", "--port", port],
            cwd=ROOT,
            env=os.environ | {"CLIPVEC_SERVE": f"index.path={index}"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait(f"http://127.0.0.1:{port}/readyz", service)
            take(f"http://127.0.0.1:{port}/?q=citrus+fruit")
        finally:
            service.terminate()
            service.wait()


def make_index(folder: Path) -> Path:
    """Return an index of the bundled images."""
    options: dict[str, object] = {"model": "sample", "sharding": "x1", "store.root": folder}
    clipvec.run_embed(**options)
    clipvec.run_index(**options, **{"index.path": folder / "index"})
    return folder / "index"


def wait(url: str, service: subprocess.Popen[bytes]) -> None:
    """Wait until the service is ready."""
    while True:
        if service.poll() is not None:
            sys.exit("the service exited; run bentoml serve to see why")
        try:
            urllib.request.urlopen(url)
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.3)


def take(url: str) -> None:
    """Save what a browser shows."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(url)
        page.locator("#grid .caption").first.wait_for()
        page.wait_for_load_state("networkidle")
        shot = page.screenshot()
        browser.close()
    PAGE_IMAGE.parent.mkdir(exist_ok=True)
    image = Image.open(io.BytesIO(shot)).convert("RGB").quantize(256)  # half the bytes
    image.save(PAGE_IMAGE, optimize=True)
    print(f"wrote {PAGE_IMAGE.relative_to(ROOT)}, {PAGE_IMAGE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
