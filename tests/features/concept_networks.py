"""A network whose concepts are the three primary colours, and pictures made of them."""

import numpy as np
import torch
from torch import nn

from interp.images import Preprocess

PLAIN = Preprocess((30, 30), (0.0,) * 3, (1.0,) * 3)
PRIMARIES = {"r": (255, 0, 0), "g": (0, 255, 0), "b": (0, 0, 255), ".": (0, 0, 0)}


class Colours(nn.Module):
    """Channels are colours, classes are colours with different weights."""

    def __init__(self, weights: tuple[float, ...] = (3.0, 2.0, 1.0)) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(3, 3, bias=False)
        with torch.no_grad():
            self.features[0].weight.copy_(torch.eye(3)[:, :, None, None])
            self.fc.weight.copy_(torch.diag(torch.tensor(weights)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.pool(self.features(x)).flatten(1))


def stripes(letters: str, side: int = 30) -> np.ndarray:
    """Return a picture of upright stripes, equally wide."""
    row = np.array([PRIMARIES[letters[x * len(letters) // side]] for x in range(side)], np.uint8)
    return np.repeat(row[None], side, axis=0)
