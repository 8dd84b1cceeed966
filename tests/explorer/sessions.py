"""Ten visitors of one server; it runs in this process, so that the network they share can be looked at."""

from __future__ import annotations

import asyncio
import io
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
from playwright.sync_api import Browser, Page
from streamlit.runtime import Runtime
from streamlit.web import bootstrap
from streamlit.web.server import Server

import interp

ROOT = Path(interp.__file__).parents[1]
PICTURES = sorted((ROOT / "sample_images").glob("*.jpg"))[:10]
CLASSES = (
    "espresso",
    "tiger cat",
    "space shuttle",
    "cup",
    "tabby",
    "missile",
    "coffee mug",
    "tripod",
    "Egyptian cat",
    "eggnog",
)
METHODS = (
    "consensus-cam",
    "grad-cam",
    "hires-cam",
    "layer-cam",
    "xgrad-cam",
    "shapley-cam",
    "fullgrad-signed",  # differentiates every layer
    "saliency",
    "guided-backprop",  # Captum's hooks
    "seg-xres-cam",
)
IDLE = '[data-testid=stApp][data-test-script-state="notRunning"]'
MAP = ".st-key-map figcaption .title"
WAIT = 300_000  # ms: ten pages on a busy machine


@dataclass(frozen=True)
class Question:
    """What one visitor asks on *Look*."""

    picture: Path
    target: str
    method: str

    def alone(self, model: interp.ImageModel) -> np.ndarray:
        """Return the map that nobody disturbs."""
        return interp.explain(model, self.picture, self.target, self.method).values


def questions(turn: int) -> list[Question]:
    """Return ten: each has a picture, a class and a method of its own, and ten turns repeat none."""
    return [
        Question(picture, CLASSES[(n + turn) % 10], METHODS[(n + 3 * turn) % 10])
        for n, picture in enumerate(PICTURES)
    ]


@contextmanager
def serving() -> Iterator[str]:
    """Serve the explorer from a thread of this process, and yield its address."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    bootstrap.load_config_options({"server.port": port, "server.headless": True, "logger.level": "error"})
    server, loop, up = Server(str(ROOT / "app.py"), False), asyncio.new_event_loop(), threading.Event()

    async def serve() -> None:
        await server.start()
        up.set()
        await server.stopped

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert up.wait(60)
        yield f"http://localhost:{port}"
    finally:
        loop.call_soon_threadsafe(server.stop)
        thread.join()
        Runtime._instance = None  # or this process can have no other


def ask_at_once(browser: Browser, address: str, asked: list[Question]) -> list[np.ndarray]:
    """Open a session for each question before any is answered, and return the maps that they download.

    Each tab is a session of its own; tabs of one context share what the browser has loaded and compiled.
    """
    context = browser.new_context(accept_downloads=True)
    try:
        pages = [context.new_page() for _ in asked]
        for page, question in zip(pages, asked, strict=True):
            query = {
                "picture": question.picture.name,
                "class": question.target,
                "method": question.method,
            }
            page.goto(f"{address}/?{urlencode(query)}", wait_until="commit", timeout=WAIT)
        return [_taken(page, question) for page, question in zip(pages, asked, strict=True)]
    finally:
        context.close()


def _taken(page: Page, question: Question) -> np.ndarray:
    page.locator(MAP, has_text=re.compile(f"^{question.target}")).wait_for(timeout=WAIT)
    page.wait_for_selector(IDLE, timeout=WAIT)
    with page.expect_download(timeout=WAIT) as download:
        page.locator(".st-key-file-look-1 button").click(timeout=WAIT)
    return np.load(io.BytesIO(Path(download.value.path()).read_bytes()))["map"]
