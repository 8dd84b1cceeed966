"""Where the positions of a layer's output are: channels first, channels last, or a row of tokens.

Methods take `(B, C, *grid)`. A `Layout` turns what a layer gives into that, and back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

Kind = Literal["first", "last", "tokens"]
Grid = tuple[int, ...]

# Class, distillation and register tokens; more of them than that are no prefix but other tokens.
MOST_PREFIXED = 16


class LayoutError(ValueError):
    """A layer's output has no positions that fit the network's input."""


@dataclass(frozen=True)
class Layout:
    """How a layer's output lies, found by running the network once.

    Attributes:
        kind: `first`: `(B, C, *grid)`; `last`: `(B, *grid, C)`; `tokens`: `(B, prefix + positions, C)`.
        channels: C.
        grid: of positions, as for the input of that run.
        size: of that input, without batch and channels.
        prefix: tokens before those of the positions, as the class token.

    Example:
        >>> layout = Layout("tokens", 192, (14, 14), (224, 224), prefix=1)
        >>> layout.features(torch.zeros(2, 197, 192), (224, 224)).shape
        torch.Size([2, 192, 14, 14])
    """

    kind: Kind
    channels: int
    grid: Grid
    size: Grid
    prefix: int = 0

    def features(self, output: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
        """Return `(B, C, *grid)` of what the layer gave for inputs of `size`.

        Raises:
            LayoutError: it gave something else than in the run that the layout is of.
        """
        dims = 3 if self.kind == "tokens" else 2 + len(self.grid)
        if output.dim() != dims:
            raise LayoutError(f"it gives {tuple(output.shape)}, another number of dimensions than before")
        if self.kind == "first":
            return output
        if self.kind == "last":
            return output.movedim(-1, 1)
        grid = self._grid(output.shape[1] - self.prefix, tuple(size))
        tokens = output[:, self.prefix :].transpose(1, 2)
        return tokens.reshape(*tokens.shape[:2], *grid)

    def output(self, features: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """Return `(N, C, *grid)` as the layer would give it; prefix tokens are those of `like`.

        Args:
            features: K changed versions for each picture of `like`, picture by picture.
            like: what the layer gave.
        """
        if self.kind == "first":
            return features
        if self.kind == "last":
            return features.movedim(1, -1)
        tokens = features.flatten(2).transpose(1, 2)
        before = like[:, : self.prefix].repeat_interleave(len(tokens) // len(like), 0)
        return torch.cat([before.to(tokens), tokens], 1) if self.prefix else tokens

    def _grid(self, positions: int, size: Grid) -> Grid:
        """Return the grid of that many positions for an input of another size."""
        scaled = tuple(
            max(1, round(side * now / then))
            for side, now, then in zip(self.grid, size, self.size, strict=True)
        )
        for grid in (scaled, self.grid):  # a network may bring its input to one size itself
            if math.prod(grid) == positions:
                return grid
        found = grid_of_shape(positions, size)
        if found is None:
            raise LayoutError(f"its {positions} tokens are no grid of the shape of an input of {size}")
        return found


def layout_of(
    output: torch.Tensor,
    inputs: torch.Tensor,
    known: Sequence[Grid],
    module: nn.Module | None = None,
    before: Kind = "first",
) -> Layout | None:
    """Return where the positions of a layer's output are, or None if it has none.

    Nothing about a network is assumed: a grid is one that the input's shape allows, and for tokens one that
    was seen before in the same pass, as that of the convolution which cuts the picture into patches.

    Args:
        output: of the layer, for one picture.
        inputs: of the network, `(1, C, *size)`.
        known: grids of what ran before, latest first.
        module: the layer, where it has no parts.
        before: kind of the layer before, for shapes that can be read both ways.
    """
    size = tuple(inputs.shape[2:])
    shape = tuple(output.shape)
    if len(shape) < 3 or shape[0] != inputs.shape[0]:
        return None  # windows and heads lie in the batch
    if len(shape) == 2 + len(size):
        kind = _kind(shape, size, known, module, before)
        grid, channels = (shape[2:], shape[1]) if kind == "first" else (shape[1:-1], shape[-1])
        return Layout(kind, channels, grid, size)
    if len(shape) != 3:
        return None
    found = _tokens(shape[1], size, known)
    return None if found is None else Layout("tokens", shape[2], found[0], size, found[1])


def fits(grid: Sequence[int], size: Sequence[int]) -> bool:
    """Return whether a grid has about the proportions of the input.

    A side that was halved again and again may have lost nearly one position: of 30 × 400, that is 3 × 50.
    """
    return all(
        abs(side - grid[0] * whole / size[0]) <= max(2.0, 0.05 * side, 1 + whole / size[0])
        for side, whole in zip(grid[1:], size[1:], strict=True)
    )


def grid_of_shape(positions: int, size: Sequence[int]) -> Grid | None:
    """Return the grid with exactly that many positions and the proportions of an input, if there is one.

    Example:
        >>> grid_of_shape(98, (224, 112))
        (14, 7)
    """
    side = (positions / math.prod(size)) ** (1 / len(size))
    grid = tuple(max(1, round(side * whole)) for whole in size)
    return grid if math.prod(grid) == positions else None


def _kind(
    shape: Sequence[int], size: Grid, known: Sequence[Grid], module: nn.Module | None, before: Kind
) -> Kind:
    first, last = (*shape[2:],), (*shape[1:-1],)
    fitting = fits(first, size), fits(last, size)
    if fitting == (False, True):
        return "last"
    if fitting != (True, True):
        return "first"
    if isinstance(module, nn.Linear):
        return "last"
    if isinstance(module, nn.modules.conv._ConvNd):
        return "first"
    if (first in known) != (last in known):
        return "first" if first in known else "last"
    return "last" if before == "last" else "first"


def _tokens(count: int, size: Grid, known: Sequence[Grid]) -> tuple[Grid, int] | None:
    """Return the grid of a row of tokens and how many stand before it."""
    seen = [grid for grid in known if math.prod(grid) > 1]
    prefixed = [(grid, count - math.prod(grid)) for grid in seen]
    fitting = [one for one in prefixed if 0 <= one[1] <= MOST_PREFIXED]
    if fitting:
        return min(fitting, key=lambda one: one[1])
    if seen:  # patches of the finest tokens are merged two by two
        merged = [tuple(-(-side // 2) for side in grid) for grid in seen]
        return next(((grid, 0) for grid in merged if math.prod(grid) == count > 1), None)
    for prefix in range(min(MOST_PREFIXED, count - 2) + 1):
        grid = grid_of_shape(count - prefix, size)
        if grid is not None and math.prod(grid) > 1:
            return grid, prefix
    return None
