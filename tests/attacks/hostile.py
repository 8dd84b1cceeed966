"""What an attacker sends: pickles that leave a mark when they are opened, names that are markup, a model."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import interp
from interp.images import Preprocess
from interp.models import Architecture, ImageModel
from interp.sentences import is_sentence

MARKUP = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"'><svg onload=alert(1)>",
    "[x](javascript:alert(1))",
    "![x](http://evil.example/x.png)",
    "{{ 7 * 7 }}{% include '/etc/passwd' %}",
    "</title></style><script>alert(1)</script>",
]
STEERING = [
    "\x1b[2J\x1b[31mred",
    "\x1b]0;title\x07",
    "\x9b31m",
    "right\u202eleft",
    "[/red][link=http://evil.example]x",
]


class Evil:
    """An object whose pickle makes a folder when it is opened."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (self.mark,)


def pickled(mark: Path) -> dict[str, bytes]:
    """Return a pickle that leaves a mark, in every wrapping that people use."""
    evil = Evil(mark)
    found = {f"protocol {number}": pickle.dumps(evil, number) for number in range(6)}
    for name, legacy in (("torch", False), ("old torch", True)):
        buffer = io.BytesIO()
        torch.save({"weight": evil}, buffer, _use_new_zipfile_serialization=not legacy)
        found[name] = buffer.getvalue()
    array = np.array([evil], dtype=object)
    for name, save in (("npy", np.save), ("npz", lambda file, about: np.savez(file, about=about))):
        buffer = io.BytesIO()
        save(buffer, array)
        found[name] = buffer.getvalue()
    return found


def small_model(labels: list[str] | None = None, name: str | None = None) -> ImageModel:
    """Return a small classifier that can be saved, with untrained weights."""
    architecture = Architecture("torchvision", "squeezenet1_1", {"num_classes": 3})
    torch.manual_seed(0)
    half = (0.5, 0.5, 0.5)
    return interp.load(
        architecture.build(), preprocess=Preprocess((64, 64), half, half), architecture=architecture,
        labels=labels or ["a", "b", "c"], name=name,
    )  # fmt: skip


def noise(height: int = 40, width: int = 50) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def refusal(act: Callable[[], object]) -> str:
    """Return the sentence with which something is refused."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any kind, as long as it is a sentence
        act()
    assert is_sentence(caught.value), repr(caught.value)
    return str(caught.value)


def harmless(act: Callable[[], object]) -> None:
    """Do something that may be refused by a sentence, and by nothing else."""
    try:
        act()
    except Exception as error:
        if not is_sentence(error):
            raise
