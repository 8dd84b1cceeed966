"""Scenes with two objects whose masks are known: round cut-outs of photographs on textures, seeded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from interp.models import ImageModel

# The sample pictures show these, and the default layer and the colours were looked at on them.
SEEN_BEFORE = {
    "tabby",
    "tiger cat",
    "Egyptian cat",
    "espresso",
    "cup",
    "coffee mug",
    "space shuttle",
    "missile",
}
SIZE = 224
ALONE = 78
SIDES = (64, 92)
CONTRAST = 0.25


@dataclass(frozen=True)
class Scene:
    """A picture, the classes of its two objects, and where each is, `(SIZE, SIZE)`."""

    picture: Image.Image
    classes: tuple[int, int]
    masks: tuple[np.ndarray, np.ndarray]


def recognised(model: ImageModel, folder: Path, least: float = 0.1) -> list[tuple[Path, int]]:
    """Return the photographs, named `CLASS_….jpg`, that the network recognises as a small cut-out on grey."""
    files = sorted(folder.glob("*.jpg"))
    found = []
    for start in range(0, len(files), 32):
        part = files[start : start + 32]
        for file, (best,) in zip(part, model.predict([_alone(file) for file in part], top=1), strict=True):
            known = best.index == int(file.name.split("_")[0]) and best.probability > least
            if known and best.name not in SEEN_BEFORE:
                found.append((file, best.index))
    return found


def _alone(file: Path) -> Image.Image:
    canvas = np.full((SIZE, SIZE, 3), 127.0)
    _paste(canvas, file, (SIZE - ALONE) // 2, (SIZE - ALONE) // 2, ALONE)
    return Image.fromarray(canvas.astype(np.uint8))


def scenes(
    objects: Sequence[tuple[Path, int]],
    folder: Path,
    count: int,
    seed: int,
    sides: tuple[int, int] = (64, 92),
) -> Iterator[Scene]:
    """Yield scenes of two different objects each, that do not touch."""
    random = np.random.default_rng(seed)
    files = sorted(folder.glob("*.jpg"))
    for _ in range(count):
        first, second = random.choice(len(objects), 2, replace=False)
        canvas = _texture(random, files)
        circles = _apart(random)
        masks = []
        for (file, _index), circle in zip((objects[first], objects[second]), circles, strict=True):
            masks.append(_paste(canvas, file, *circle))
        picture = Image.fromarray(canvas.round().astype(np.uint8))
        yield Scene(picture, (objects[first][1], objects[second][1]), (masks[0], masks[1]))


def _texture(random: np.random.Generator, files: Sequence[Path]) -> np.ndarray:
    """Return a photograph whose phases are noise: its colours and its fineness, and nothing in it."""
    photo = _square(files[random.integers(len(files))], SIZE)
    mean = photo.mean((0, 1))
    phase = np.angle(np.fft.fft2(random.standard_normal((SIZE, SIZE))))[..., None]
    spectrum = np.abs(np.fft.fft2(photo - mean, axes=(0, 1))) * np.exp(1j * phase)
    return np.clip(CONTRAST * np.fft.ifft2(spectrum, axes=(0, 1)).real + mean, 0, 255)


def _square(file: Path, side: int) -> np.ndarray:
    photo = Image.open(file).convert("RGB")
    short = min(photo.size)
    left, top = (photo.width - short) // 2, (photo.height - short) // 2
    crop = photo.crop((left, top, left + short, top + short))
    return np.asarray(crop.resize((side, side), Image.Resampling.LANCZOS), float)


def _apart(random: np.random.Generator) -> list[tuple[int, int, int]]:
    """Return two circles `(left, top, diameter)` whose bounding squares do not meet."""
    while True:
        found = []
        for _ in range(2):
            side = int(random.integers(*SIDES))
            left, top = random.integers(4, SIZE - 4 - side, 2)
            found.append((int(left), int(top), side))
        (x, y, a), (u, v, b) = found
        if x + a < u or u + b < x or y + a < v or v + b < y:
            return found


def _paste(canvas: np.ndarray, file: Path, left: int, top: int, side: int) -> np.ndarray:
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    radius = side / 2
    mask = (columns - left - radius) ** 2 + (rows - top - radius) ** 2 <= radius**2
    inside = mask[top : top + side, left : left + side]
    canvas[top : top + side, left : left + side][inside] = _square(file, side)[inside]
    return mask
