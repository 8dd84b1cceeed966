"""A ResNet and a ViT, really trained: handwritten digits on textures, scenes of two with exact masks.

python benchmarks/digits.py [--network resnet|vit] [--steps 1500] [--count 200] METHOD...

The digits are scikit-learn's (1,797 of 8×8 pixels), enlarged. A third of them is kept for the scenes.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import timm
import torch
import torchvision
from PIL import Image
from results import Table
from rich.progress import track
from sklearn.datasets import load_digits
from torch import nn
from two_objects import Marks, mark_all, table

from interp.images import Preprocess
from interp.methods import get
from interp.models import ImageModel, Labels

SIDE = 64
HALF = (0.5, 0.5, 0.5)
USUAL = ("grad-cam", "hires-cam", "layer-cam", "consensus-cam")


class Stem(nn.Sequential):
    """Patches by three convolutions (Xiao et al., NeurIPS 2021): with one it learns far more slowly."""

    num_patches = (SIDE // 8) ** 2

    def __init__(self, embed_dim: int, **_: object) -> None:
        widths = (3, 24, 48, embed_dim)
        steps = [
            nn.Sequential(nn.Conv2d(a, b, 3, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU())
            for a, b in pairwise(widths)
        ]
        super().__init__(*steps, nn.Flatten(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).transpose(1, 2)


def network(kind: str) -> nn.Module:
    """Return an untrained network for ten classes at 64 px."""
    if kind == "vit":
        return timm.models.VisionTransformer(
            img_size=SIDE, patch_size=8, embed_dim=96, depth=6, num_heads=4, num_classes=10, embed_layer=Stem
        )
    net = torchvision.models.resnet18(num_classes=10)
    net.conv1 = nn.Conv2d(3, 64, 3, 2, 1, bias=False)
    net.maxpool = nn.Identity()
    return net


def scene(
    random: np.random.Generator, digits: np.ndarray, chosen: Sequence[int]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return digits on a texture, `(64, 64, 3)` of 0 … 255, and the mask of each digit."""
    coarse = Image.fromarray(random.integers(0, 160, (9, 9, 3), dtype=np.uint8))
    canvas = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), float)
    canvas += random.normal(0, 12, canvas.shape)
    masks: list[np.ndarray] = []
    for index in chosen:
        while True:
            side = int(random.integers(20, 29))
            left, top = random.integers(0, SIDE - side, 2)
            box = np.zeros((SIDE, SIDE), bool)
            box[top : top + side, left : left + side] = True
            if not any((box & np.asarray(taken)).any() for taken in masks):
                break
        ink = Image.fromarray((digits[index] * 255 / 16).astype(np.uint8)).resize((side, side))
        alpha = np.zeros((SIDE, SIDE))
        alpha[top : top + side, left : left + side] = np.asarray(ink) / 255
        colour = random.integers(170, 256, 3)
        canvas = canvas * (1 - alpha[..., None]) + colour * alpha[..., None]
        masks.append(box)
    return np.clip(canvas, 0, 255).astype(np.uint8), masks


def trained(kind: str, steps: int, random: np.random.Generator) -> tuple[nn.Module, np.ndarray, np.ndarray]:
    """Return the network after `steps` batches of 32 pictures of one digit, and digits it has not seen."""
    digits = load_digits()
    order = random.permutation(len(digits.images))
    train, kept = order[: 2 * len(order) // 3], order[2 * len(order) // 3 :]
    torch.manual_seed(0)
    net = network(kind)
    optimiser = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=max(steps, 1))
    for _ in track(range(steps), description=f"training {kind}"):
        chosen = random.choice(train, 32)
        pictures = np.stack([scene(random, digits.images, [index])[0] for index in chosen])
        inputs = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
        loss = nn.functional.cross_entropy(net(inputs), torch.from_numpy(digits.target[chosen]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return net.eval(), digits.images[kept], digits.target[kept]


def accuracy(model: ImageModel, random: np.random.Generator, images: np.ndarray, names: np.ndarray) -> float:
    """Return the share of pictures of one digit, not seen in training, that are recognised."""
    chosen = random.choice(len(images), 500)
    pictures = [Image.fromarray(scene(random, images, [index])[0]) for index in chosen]
    right = model.logits(model.prepare(pictures)).argmax(1).numpy() == names[chosen]
    return float(right.mean())


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("methods", nargs="*", default=USUAL)
    options.add_argument("--network", choices=("resnet", "vit"), default="resnet")
    options.add_argument("--steps", type=int, default=1500)
    options.add_argument("--count", type=int, default=200)
    options.add_argument("--keep", type=Path, help="where the weights are kept, and found the next time")
    asked = options.parse_args()
    random = np.random.default_rng(0)
    if asked.keep and asked.keep.exists():
        net, images, names = trained(asked.network, 0, random)
        net.load_state_dict(torch.load(asked.keep, weights_only=True))
    else:
        net, images, names = trained(asked.network, asked.steps, random)
        if asked.keep:
            torch.save(net.state_dict(), asked.keep)
    random = np.random.default_rng(1)
    labels = Labels(tuple("0123456789"))
    model = ImageModel(net.eval(), Preprocess((SIDE, SIDE), HALF, HALF), asked.network, labels=labels)
    share = accuracy(model, random, images, names)
    rows: dict[str, list[Marks]] = defaultdict(list)
    for _ in track(range(asked.count), description="two digits"):
        while True:
            pair = random.choice(len(images), 2, replace=False)
            if names[pair[0]] != names[pair[1]]:
                break
        picture, masks = scene(random, images, pair)
        classes = tuple(int(name) for name in names[pair])
        methods = [get(each).name for each in asked.methods]
        mark_all(model, Image.fromarray(picture), classes, masks, methods, rows, top=3)
    title = f"{asked.network}, {100 * share:.1f} % of single digits right"
    for seen_only in (True, False):
        shown: Table = table(title, rows, seen_only=seen_only)
        shown.show()


if __name__ == "__main__":
    main()
