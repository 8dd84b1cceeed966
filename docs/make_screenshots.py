"""Take the pictures of the explorer again: `python docs/make_screenshots.py [RUN]`, from the root.

Needs Debian's chromium. RUN is the folder of a finished run of `interp train`; only its curves are shown:
photographs of its data do not get into these pages. Without it that picture stays as it is.
"""

from __future__ import annotations

import io
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from PIL import Image
from playwright.sync_api import Page, sync_playwright

OUT = Path("docs/images/explorer")
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
IDLE = '[data-testid=stApp][data-test-script-state="notRunning"]'


@dataclass(frozen=True)
class Shot:
    """One picture: of which page, with what, how wide, how high at most, and what to press first."""

    name: str
    page: str
    query: dict[str, str]
    size: tuple[int, int] = (1440, 1000)
    press: tuple[str, ...] = ()


SHOTS = (
    Shot("look", "", {"class": "tiger cat"}),
    Shot("look-phone", "", {"class": "tiger cat"}, (390, 844)),
    Shot("chinese", "", {"class": "tiger cat", "lang": "zh"}),
    Shot("trust", "trust", {"picture": "cat.jpg", "method": "eigen-cam"}, (1440, 1500)),
    Shot("compare", "compare", {}),
    Shot("inside", "inside", {}),
    Shot("style", "style", {}),
)


def main() -> None:
    """Take all pictures that can be taken."""
    OUT.mkdir(parents=True, exist_ok=True)
    take([], SHOTS)
    if len(sys.argv) == 2:
        run = Path(sys.argv[1])
        take(["--runs", str(run.parent)], (Shot("training", "training", {"training_run": run.name}),))


def take(options: list[str], shots: tuple[Shot, ...]) -> None:
    """Start an explorer and photograph its pages."""
    with _served(options) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=SWITCHES)
        for shot in shots:
            width, height = shot.size
            page = browser.new_page(viewport={"width": width, "height": height})
            page.goto(f"{address}/{shot.page}?{urlencode(shot.query)}")
            _settle(page)
            for button in shot.press:
                page.get_by_role("button", name=button).click()
                _settle(page)
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            picture.save(OUT / f"{shot.name}.jpg", quality=88, optimize=True)
            print(OUT / f"{shot.name}.jpg", picture.size)
            page.close()
        browser.close()


def _settle(page: Page) -> None:
    page.locator(".interp-title").wait_for(timeout=60_000)
    page.wait_for_timeout(1500)
    page.wait_for_selector(IDLE, timeout=120_000)
    page.wait_for_timeout(800)


@contextmanager
def _served(options: list[str]) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [
        str(Path(sys.executable).with_name("interp")),
        "app",
        "--no-browser",
        "--port",
        str(port),
        *options,
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while True:
            try:
                urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=5)
                break
            except OSError:
                time.sleep(0.3)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(30)


if __name__ == "__main__":
    main()
