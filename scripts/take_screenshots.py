"""Take pictures of the page, a recall report and a dashboard: docs/images.

    python scripts/take_screenshots.py DATA

DATA: a folder ``data`` as scripts/screenshots leaves it.
"""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from playwright.sync_api import Page, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs/images"
BENTOML = Path(sys.executable).with_name("bentoml")
WIDTH, HEIGHT = 1200, 780


def main() -> None:
    """Take all pictures."""
    data = Path(sys.argv[1])
    (report,) = data.glob("reports/*/report.html")
    (dashboard,) = data.glob("dashboards/*.html")
    with sync_playwright() as playwright, serving(data / "index") as service:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(f"{service}/?q=citrus+fruit")
        page.locator("#grid .caption").first.wait_for()
        take(page, "page")
        for name, file in (("report", report), ("dashboard", dashboard)):
            page.goto(file.as_uri())
            take(page, name)
        browser.close()


@contextmanager
def serving(index: Path) -> Iterator[str]:
    """Serve an index on loopback; return the address."""
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
        yield f"http://127.0.0.1:{port}"
    finally:
        service.terminate()
        service.wait()


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


def take(page: Page, name: str) -> None:
    """Save what a browser shows."""
    page.wait_for_load_state("networkidle")
    file = IMAGES / f"{name}.webp"
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(file, quality=80, method=6)
    print(f"wrote {file.relative_to(ROOT)}, {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
