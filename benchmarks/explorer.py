"""How long a visitor of the explorer waits: `python benchmarks/explorer.py [ROUNDS]`, with Debian's chromium.

Every figure is what the browser sees, from the press of a key or button to the picture on the screen: the
median of all rounds, and the longest. `cold` is the first page of `streamlit run app.py` in a fresh process,
`warm` that of `interp app`, which opens the network before it serves.
"""

from __future__ import annotations

import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from rich.console import Console
from rich.table import Table

SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
IDLE = '[data-testid=stApp][data-test-script-state="notRunning"]'
LAYER = """key => {
  for (const element of document.querySelectorAll(`.st-key-${key} *`))
    if (element.shadowRoot) return element.shadowRoot.querySelector("img.over")?.src || "";
  return "";
}"""
CHANGED = f"([key, old]) => {{ const now = ({LAYER})(key); return now && now !== old; }}"
OPACITY = "getComputedStyle(document.documentElement).getPropertyValue('--interp-opacity')"


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    found: dict[str, list[float]] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=SWITCHES)
        for name, command in (
            ("cold", ["-m", "streamlit", "run", "app.py"]),
            ("warm", ["-m", "interp", "app"]),
        ):
            with served(command, cold=name == "cold") as address:
                page = browser.new_page(viewport={"width": 1440, "height": 900})
                began = time.perf_counter()
                page.goto(address)
                page.locator(".st-key-map img.over").wait_for(timeout=120_000)
                found[f"first map, {name}"] = [time.perf_counter() - began]
                if name == "warm":
                    settle(page)
                    found |= measured(page, rounds)
                page.close()
        browser.close()
    show(found)


def measured(page: Page, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of everything that a visitor does, `rounds` times each, alternating."""
    found: dict[str, list[float]] = {}
    other = "button[aria-pressed=false]"
    for number in range(rounds):
        for name, key in (("class", "bars"), ("stage", "stages"), ("picture", "gallery")):
            press = page.locator(f".st-key-{key} {other}").nth(number % 4).click
            record(found, f"another {name}", timed(page, press))
        colours = page.locator(".st-key-colours input")
        colours.click()
        page.keyboard.press(["ArrowDown", "ArrowUp"][number % 2])
        record(found, "colours", timed(page, lambda: page.keyboard.press("Enter")))
        page.locator(".st-key-opacity input").focus()
        old = page.evaluate(OPACITY)
        began = time.perf_counter()
        page.keyboard.press(["ArrowLeft", "ArrowRight"][number % 2])
        page.wait_for_function(f"old => {OPACITY} !== old", arg=old, polling=4)
        record(found, "opacity", time.perf_counter() - began)
        settle(page)
    return found


def timed(page: Page, act: Callable[[], object]) -> float:
    """Return the seconds until the map on the screen is another one."""
    old = page.evaluate(LAYER, "map")
    began = time.perf_counter()
    act()
    page.wait_for_function(CHANGED, arg=["map", old], polling=4, timeout=20_000)
    took = time.perf_counter() - began
    settle(page)
    return took


def settle(page: Page) -> None:
    page.wait_for_timeout(300)
    page.wait_for_selector(IDLE, timeout=60_000)


def record(found: dict[str, list[float]], name: str, seconds: float) -> None:
    found.setdefault(name, []).append(seconds)


@contextmanager
def served(command: list[str], *, cold: bool) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    more = ["--server.headless", "true", "--server.port", port] if cold else ["--no-browser", "--port", port]
    root = Path(__file__).parents[1]
    process = subprocess.Popen([sys.executable, *command, *more], cwd=root, stdout=subprocess.DEVNULL)
    try:
        while True:
            try:
                urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=5)
                break
            except OSError:
                time.sleep(0.2)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(30)


def show(found: dict[str, list[float]]) -> None:
    table = Table("what", "median", "longest", "rounds")
    for name, seconds in found.items():
        median, longest = statistics.median(seconds), max(seconds)
        table.add_row(name, f"{1000 * median:.0f} ms", f"{1000 * longest:.0f} ms", str(len(seconds)))
    Console().print(table)


if __name__ == "__main__":
    main()
