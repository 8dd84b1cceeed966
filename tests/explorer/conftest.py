"""A server of the explorer and a browser, for the tests that need the real thing."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import torch
from command import save_segmenter
from playwright.sync_api import sync_playwright

from interp.explorer import networks
from interp.models import DEFAULT_MODEL

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(autouse=True)
def _few_networks(monkeypatch):
    """Offer two networks: the list of all 1,460 takes a quarter of the time of every page."""
    monkeypatch.setattr(networks, "_registered", lambda: ([DEFAULT_MODEL], ["torchvision:resnet18"]))


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The address of an explorer, started as people start it."""
    folder = tmp_path_factory.mktemp("explorer")
    save_segmenter(folder / "runs" / "street")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("interp")), "app", "--no-browser", "--port", str(port)],
            cwd=folder,
            stdout=log,
            stderr=log,
            # As many threads as here: sums in another order differ in their last bits.
            env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())},
        )
    address = f"http://localhost:{port}"
    try:
        _await(address, process, folder / "log")
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _await(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 180
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=5)
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(log.read_text())


@pytest.fixture(scope="module")
def browser():
    # No longer than needed: a second Playwright cannot begin in a process while one is open.
    if CHROMIUM is None:
        pytest.skip("Debian's chromium is not installed")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield launched
        launched.close()
