"""The command line in this process, which has imported torch already, and a trained folder to give it."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import interp as package
from interp.cli import main
from interp.models import save_folder
from interp.models.architecture import of_network
from interp.models.networks import ClassifierNetwork, UNetNetwork


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def interp(*arguments: object) -> Done:
    """Run a command and return its exit code and both streams."""
    out, complaints = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["interp", *map(str, arguments)])
        patch.setenv("COLUMNS", "120")
        patch.delenv("INTERP_TRACEBACK", raising=False)
        with redirect_stdout(out), redirect_stderr(complaints):
            try:
                main()
                code = 0
            except SystemExit as stop:
                code = int(stop.code or 0)
    return Done(code, out.getvalue(), complaints.getvalue())


def started(*words: str) -> subprocess.Popen[str]:
    """Start a process that hears Ctrl-C as in a terminal, even if the tests run in the background."""
    return subprocess.Popen(
        words,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def interrupted(running: subprocess.Popen[str], begun: Callable[[], object]) -> str:
    """Press Ctrl-C as soon as a process has begun something, and return what it complains of."""
    while not begun() and running.poll() is None:
        time.sleep(0.01)  # leaves it the processor
    running.send_signal(signal.SIGINT)
    return running.communicate(timeout=120)[1]


def save_classifier(folder: Path, size: int = 64) -> Path:
    """Save a small classifier of three classes with random weights."""
    torch.manual_seed(0)
    network = ClassifierNetwork("timm:test_resnet", 3)
    model = package.load(
        network.build().eval(),
        preprocess=package.Preprocess((size, size), (0.5,) * 3, (0.5,) * 3),
        architecture=of_network(network),
        labels=("cat", "dog", "cow"),
        name="pets",
    )
    return save_folder(model, folder)


def save_segmenter(folder: Path, size: tuple[int, int] = (48, 64)) -> Path:
    """Save a small U-Net of three classes with random weights, whose batch norms know some noise."""
    torch.manual_seed(0)
    network = UNetNetwork("timm:test_resnet", 3, *size)
    module = network.build().train()
    with torch.no_grad():
        for _ in range(4):
            module(torch.randn(4, 3, *size))
    model = package.load(
        module.eval(),
        preprocess=package.Preprocess(size, (0.5,) * 3, (0.5,) * 3, fit="squish"),
        architecture=of_network(network),
        labels=("sky", "road", "car"),
        task="segmentation",
        name="street",
    )
    return save_folder(model, folder)


def save_noise(folder: Path, names: str = "abcd") -> Path:
    """Save a picture of noise for each letter."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    for name in names:
        Image.fromarray(generator.integers(0, 256, (64, 80, 3), np.uint8)).save(folder / f"{name}.png")
    return folder
