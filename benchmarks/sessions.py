"""Ten visitors of the explorer at once: each must get what it would get alone.

    uv run python benchmarks/sessions.py --rounds 10

The server is the real one and runs in this process, whose threads Python switches as often as it can. In
every round ten pages of a browser ask *Look* together, each about a picture, a class and a method of its own,
and no question comes twice, so nothing is answered from what is kept. Each page downloads its map, which is
compared with `interp.explain`, bit for bit, and after each round the network must be as it was: no hook, no
gradient, no other mode or weight. Needs Debian's chromium.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Annotated

import torch
import typer
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "explorer"))

from networks import state
from sessions import ask_at_once, questions, serving

from interp.explorer.networks import network_of
from interp.models import DEFAULT_MODEL

SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]


def main(
    rounds: Annotated[int, typer.Option(min=1, max=10, help="Of ten sessions each.")] = 10,
    switch: Annotated[float, typer.Option(help="Python's switch interval in seconds.")] = 1e-6,
) -> None:
    """Run them and print what went wrong; exits with 1 where anything did."""
    torch.set_num_threads(1)
    sys.setswitchinterval(switch)
    wrong, began = 0, time.monotonic()
    with sync_playwright() as playwright, serving() as address:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=SWITCHES)
        model = network_of(DEFAULT_MODEL).model
        before = state(model.module)
        for turn in range(rounds):
            asked = questions(turn)
            found = ask_at_once(browser, address, asked)
            for values, question in zip(found, asked, strict=True):
                alone = question.alone(model)
                if not (values.shape == alone.shape and (values == alone).all()):
                    wrong += 1
                    print(f"{question} got another map")
            if state(model.module) != before:
                wrong += 1
                print(f"round {turn + 1} left something on the network")
            print(f"round {turn + 1}: {time.monotonic() - began:.0f} s, {wrong} wrong", flush=True)
        assert network_of(DEFAULT_MODEL).model is model
        browser.close()
    print(f"{10 * rounds} sessions, ten at once: {wrong} wrong")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    typer.run(main)
