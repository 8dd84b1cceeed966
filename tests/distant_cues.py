"""Pictures in which a distant cue decides what class an object's pixels have, and a U-Net that learns it.

On a noisy ground lies a square, orange or blue, and in the corner farthest from it there may be a marker, a
white square. Both are drawn by lot. With the rule "cue" the square is of class A where the marker is, else of
class B, whatever its colour. With the rule "colour" an orange one is A, and the marker means nothing. So the
two rules have the same pictures, and only what is learnt from them differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

import interp

Rule = Literal["cue", "colour"]

SIDE = 32
SQUARE = 8
MARKER = 4
CLASSES = ("ground", "A", "B")
COLOURS = {"orange": (0.85, 0.5, 0.15), "blue": (0.15, 0.5, 0.85)}
_MARGIN = 3  # how far from its corner a marker may be


@dataclass(frozen=True)
class Scene:
    """One picture.

    Attributes:
        pixels: `(SIDE, SIDE, 3)`.
        square: the pixels of the square, bool.
        corner: the box, a sixteenth of the picture, in which a marker is or would be.
        marker: the pixels that are or would be the marker's.
        marked: whether it is there.
        orange: the square's colour.
    """

    pixels: np.ndarray
    square: np.ndarray
    corner: np.ndarray
    marker: np.ndarray
    marked: bool
    orange: bool

    @property
    def picture(self) -> Image.Image:
        return Image.fromarray(self.pixels)

    def without_marker(self) -> Scene:
        """Return the same with the ground's mean colour where the marker is."""
        pixels = self.pixels.copy()
        pixels[self.marker] = 102
        return Scene(pixels, self.square, self.corner, self.marker, False, self.orange)

    def truth(self, rule: Rule) -> np.ndarray:
        """Return the class of every pixel."""
        first = self.marked if rule == "cue" else self.orange
        return np.where(self.square, 1 if first else 2, 0)


def scenes(count: int, seed: int, *, marked: bool | None = None, orange: bool | None = None) -> list[Scene]:
    """Return scenes drawn by lot; all marked or none, or all of one colour, where that is asked."""
    generator = np.random.default_rng(seed)
    return [_scene(generator, marked, orange) for _ in range(count)]


def _scene(generator: np.random.Generator, marked: bool | None, orange: bool | None) -> Scene:
    lots = generator.random(2) < 0.5
    marked = bool(lots[0]) if marked is None else marked
    orange = bool(lots[1]) if orange is None else orange
    pixels = np.clip(generator.normal(0.4, 0.06, (SIDE, SIDE, 3)), 0, 1)
    # Drawn for the lower right; turned over, afterwards, into one of the four corners.
    row, column = generator.integers(SIDE // 2, SIDE - SQUARE + 1, 2)
    at, across = generator.integers(0, _MARGIN + 1, 2)
    square, corner, marker = (np.zeros((SIDE, SIDE), bool) for _ in range(3))
    square[row : row + SQUARE, column : column + SQUARE] = True
    marker[at : at + MARKER, across : across + MARKER] = True
    corner[: _MARGIN + MARKER + 1, : _MARGIN + MARKER + 1] = True
    colour = COLOURS["orange" if orange else "blue"]
    pixels[square] = np.clip(np.array(colour) + generator.normal(0, 0.06, (SQUARE**2, 3)), 0, 1)
    if marked:
        pixels[marker] = 1
    for axis in (0, 1):
        if generator.random() < 0.5:
            pixels, square, corner, marker = (np.flip(x, axis) for x in (pixels, square, corner, marker))
    arrays = (np.ascontiguousarray(x) for x in ((255 * pixels).astype(np.uint8), square, corner, marker))
    return Scene(*arrays, marked, orange)


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class FarUNet(nn.Module):
    """A U-Net of three levels whose bottom, 4 × 4 positions, sees all of the picture from each of them."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.down1, self.down2 = _block(3, width), _block(width, 2 * width)
        self.down3 = _block(2 * width, 3 * width)
        self.bottom = nn.Sequential(*(_block((3 if n == 0 else 6) * width, 6 * width) for n in range(3)))
        self.up3, self.up2 = _block(9 * width, 3 * width), _block(5 * width, 2 * width)
        self.up1, self.logits = _block(3 * width, width), nn.Conv2d(width, len(CLASSES), 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one = self.down1(x)
        two = self.down2(F.max_pool2d(one, 2))
        three = self.down3(F.max_pool2d(two, 2))
        x = self.bottom(F.max_pool2d(three, 2))
        for skip, join in ((three, self.up3), (two, self.up2), (one, self.up1)):
            x = join(torch.cat([F.interpolate(x, scale_factor=2.0), skip], 1))
        return self.logits(x)


def trained(rule: Rule, *, steps: int = 150, batch: int = 16, seed: int = 0) -> interp.ImageModel:
    """Return a U-Net trained on fresh scenes of a rule; the pictures' mean and deviation are a half.

    In double precision, for processors round single precision differently, and within a hundred steps that
    makes another network, which looks elsewhere.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = FarUNet().double()
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=steps)
    for step in range(steps):
        drawn = scenes(batch, seed=1000 + step)
        inputs = (
            torch.from_numpy(np.stack([s.pixels for s in drawn])).permute(0, 3, 1, 2).double() / 127.5 - 1
        )
        truth = torch.from_numpy(np.stack([s.truth(rule) for s in drawn]))
        loss = F.cross_entropy(net(inputs), truth, torch.tensor([0.2, 1.0, 1.0]).double())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    prepare = interp.Preprocess((SIDE, SIDE), (0.5,) * 3, (0.5,) * 3, fit="squish")
    return interp.load(net.float().eval(), preprocess=prepare, labels=CLASSES, task="segmentation", name=rule)


def accuracy(model: interp.ImageModel, given: list[Scene], rule: Rule) -> float:
    """Return how often the pixels of the squares have their class."""
    found = model.logits(model.prepare([scene.picture for scene in given])).argmax(1).numpy()
    return float(np.mean([(f == s.truth(rule))[s.square].mean() for f, s in zip(found, given, strict=True)]))


@dataclass(frozen=True)
class Heat:
    """Where the evidence is that the squares are A rather than B, in the mean of the scenes that have any.

    Attributes:
        cue: its share in the corners of the markers, which are a sixteenth of the area.
        context: its share outside the squares, of 94 % of the area.
        beyond: the same outside a ring around them, too.
        count: of scenes with evidence.
    """

    cue: float
    context: float
    beyond: float
    count: int


def heat(
    model: interp.ImageModel,
    given: list[Scene],
    method: str,
    layer: str | None = None,
    *,
    alone: bool = False,
) -> Heat:
    """Return where a method sees what makes the squares A rather than B; `alone`: what makes them A."""
    found = []
    for scene in given:
        first, second = (interp.targets.over(name, scene.square) for name in "AB")
        asked = first if alone else interp.targets.contrast(first, second)
        explanation = interp.explain(model, scene.picture, asked, method, layer)
        context, corner = explanation.context(), explanation.context(scene.corner)
        if context.ratio is not None:
            found.append((1 - corner.ratio, context.ratio, context.beyond))
    means = np.mean(found, axis=0).tolist() if found else [0.0, 0.0, 0.0]
    return Heat(*means, len(found))
