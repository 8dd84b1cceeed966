"""Waiting for a page whose policy forbids what Playwright itself would wait with: it allows no `eval`."""

from __future__ import annotations

import time
from typing import Any

from playwright.sync_api import Page

SECONDS = 60


def until(page: Page, expression: str, argument: Any = None) -> None:
    """Ask the page again and again until an expression is true."""
    end = time.monotonic() + SECONDS
    while not page.evaluate(expression, argument):
        assert time.monotonic() < end, f"{expression} has not come true in {SECONDS} seconds"
        page.wait_for_timeout(20)
