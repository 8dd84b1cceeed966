"""A server of the explorer and a browser, for the tests that need the real thing."""

from __future__ import annotations

import pytest
from command import save_segmenter
from explorer_server import CHROMIUM, SWITCHES, served
from playwright.sync_api import sync_playwright

from interp.explorer import networks
from interp.models import DEFAULT_MODEL


@pytest.fixture(autouse=True)
def _few_networks(monkeypatch):
    """Offer two networks: the list of all 1,460 takes a quarter of the time of every page."""
    monkeypatch.setattr(networks, "_registered", lambda: ([DEFAULT_MODEL], ["torchvision:resnet18"]))


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The address of an explorer, started as people start it."""
    folder = tmp_path_factory.mktemp("explorer")
    save_segmenter(folder / "runs" / "street")
    with served(folder) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    # No longer than needed: a second Playwright cannot begin in a process while one is open.
    if CHROMIUM is None:
        pytest.skip("Debian's chromium is not installed")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield launched
        launched.close()
