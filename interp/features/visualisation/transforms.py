"""Small random moves of the picture between steps, so that no feature can live on single pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from interp.features.errors import FeatureError

Transform = Callable[[Tensor, torch.Generator], Tensor]
"""From pictures `(B, C, H, W)` of 0 … 1 and a generator on the CPU to other pictures."""


@dataclass(frozen=True)
class Move:
    """A random shift, scale and rotation about the centre, in one interpolation; the same for a whole batch.

    Attributes:
        jitter: largest shift, in parts of the shorter side.
        scale: smallest and largest; over 1 things look larger.
        rotation: largest angle either way, in degrees.
        padding: what lies beyond the edges: the picture's mirror image, or grey.
        size: (height, width) to cut out, at a place drawn at random; default: that of the pictures.

    Raises:
        FeatureError: a number is out of its range.

    Example:
        >>> Move()(torch.rand(2, 3, 64, 48), torch.Generator().manual_seed(0)).shape
        torch.Size([2, 3, 64, 48])
    """

    jitter: float = 0.06
    scale: tuple[float, float] = (0.9, 1.1)
    rotation: float = 8.0
    padding: Literal["reflect", "grey"] = "reflect"
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if not (0 <= self.jitter <= 1 and 0 < self.scale[0] <= self.scale[1] and self.rotation >= 0):
            raise FeatureError(
                f"jitter={self.jitter}, scale={self.scale}, rotation={self.rotation}: a jitter is 0 … 1, "
                "a scale (smallest, largest) over 0, a rotation 0 or more degrees."
            )
        if self.padding not in ("reflect", "grey"):
            raise FeatureError(f"padding={self.padding!r} is neither 'reflect' nor 'grey'.")

    def __call__(self, pictures: Tensor, generator: torch.Generator) -> Tensor:
        """Return the pictures, moved."""
        batch, channels, height, width = pictures.shape
        high, wide = self.size or (height, width)
        chance = torch.rand(4, generator=generator, dtype=torch.float64).tolist()
        zoom = self.scale[0] * (self.scale[1] / self.scale[0]) ** chance[0]
        angle = math.radians(self.rotation) * (2 * chance[1] - 1)
        slack = self.jitter * min(height, width)
        down = (2 * chance[2] - 1) * (slack + max(height - high / zoom, 0) / 2 * (self.size is not None))
        right = (2 * chance[3] - 1) * (slack + max(width - wide / zoom, 0) / 2 * (self.size is not None))
        cos, sin = math.cos(angle) / zoom, math.sin(angle) / zoom
        # From the output's -1 … 1 to pixels about the centre, turned, to the input's -1 … 1.
        theta = torch.tensor(
            [
                [cos * wide / width, -sin * high / width, 2 * right / width],
                [sin * wide / height, cos * high / height, 2 * down / height],
            ],
            dtype=pictures.dtype,
            device=pictures.device,
        )
        grid = F.affine_grid(theta[None], [1, channels, high, wide], align_corners=False)
        grid = grid.expand(batch, -1, -1, -1)
        if self.padding == "reflect":
            return F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
        return F.grid_sample(pictures - 0.5, grid, padding_mode="zeros", align_corners=False) + 0.5


STANDARD: tuple[Transform, ...] = (Move(),)
"""The transforms of `visualise` when nobody says."""


def transformed(pictures: Tensor, transforms: Sequence[Transform], generator: torch.Generator) -> Tensor:
    """Return the pictures after all transforms, in order.

    Example:
        >>> same = transformed(torch.rand(1, 3, 8, 8), (), torch.Generator())
    """
    for transform in transforms:
        pictures = transform(pictures, generator)
    return pictures
