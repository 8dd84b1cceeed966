"""A server of the explorer, started as people start it, and the browser that visits it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

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


@contextmanager
def served(folder: Path, *options: str | Path) -> Iterator[str]:
    """Start an explorer in a folder and yield its address."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("interp")), "app", "--no-browser", "--port", str(port)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, *map(str, options)],
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
