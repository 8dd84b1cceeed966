"""Grid games, whose truth is known without labels: whose picture is it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isqrt

import torch

from interp.images import Source, open_image
from interp.methods import INPUT, Method, attribute, get
from interp.methods.fusing import enlarged
from interp.metrics.disconnected import disconnected, together
from interp.metrics.trial import MetricError, shown
from interp.metrics.verdicts import base
from interp.models import ImageModel
from interp.progress import Progress
from interp.targets import several

# They ask every layer where its positions are, and none of these knows of the grid.
_INSIDE = ("fullgrad", "fullgrad-signed")


@dataclass(frozen=True)
class GridGame:
    """What a method shows of each class in a grid of pictures.

    Attributes:
        classes: index of the class of each picture, row by row.
        shares: of each class, the part of what is shown that lies on its own picture; NaN where nothing is.
        maps: raw, `(classes, *grid)`.
    """

    classes: tuple[int, ...]
    shares: tuple[float, ...]
    maps: torch.Tensor = field(repr=False)

    @property
    def value(self) -> float:
        """The mean share; a map of nothing counts 0."""
        return sum(0.0 if share != share else share for share in self.shares) / len(self.shares)

    @property
    def chance(self) -> float:
        """What a map that knows nothing gets."""
        return 1 / len(self.shares)


def grid_game(
    model: ImageModel,
    pictures: Sequence[Source],
    method: str | Method = "consensus-cam",
    *,
    layer: str | int | None = None,
    connected: bool = True,
    progress: Progress | None = None,
) -> GridGame:
    """Put pictures of different classes into a grid, ask for each, and see whose picture the map lies on.

    `share_c = Σ_(i in the picture of c) E_i / Σ_i E_i`, `E` what the map shows. The grid is as many times as
    large as the network's input, so the pictures keep their size.

    - `connected=True` (GridPG): the network sees the whole grid. Networks that see one size only cannot play.
      What it cannot tell: the network may rightly look at a neighbour, for classes share features.
    - `connected=False` (DiFull): each class is computed from its own picture alone, so whatever is shown
      elsewhere is certainly wrong. What it cannot tell: where on its own picture the reason lies.

    Paper: Böhle et al., Convolutional Dynamic Alignment Networks, CVPR 2021; Rao et al., Towards Better
    Understanding Attribution Methods, CVPR 2022.

    Args:
        model: a classifier.
        pictures: 4, 9, …; the likeliest class of each must differ from the others'.
        method: which makes the maps.
        layer: where; default: the model's.
        connected: whether every class sees the whole grid, or its own picture only.
        progress: is told how far this is.

    Raises:
        MetricError: so many pictures make no square, two are of one class, the network cannot see a grid, or
            the method cannot watch one that is made of several passes.

    Example:
        >>> found = grid_game(interp.load(), ["cat.jpg", "rocket.jpg", "coffee.jpg", "camera.jpg"])
        >>> found.value > found.chance
        True
    """
    if model.task != "classification":
        raise MetricError(f"the grid game works for classification; {model.name} does {model.task}.")
    side = isqrt(len(pictures))
    if side < 2 or side * side != len(pictures):
        raise MetricError(f"{len(pictures)} pictures make no square grid; give 4, 9 or 16.")
    chosen = get(method)
    if not connected and base(chosen.name) in _INSIDE:
        raise MetricError(
            f"{chosen.title} adds up layers that see one picture of the grid at a time; take another method, "
            "or connected=True."
        )
    inputs = model.prepare([open_image(picture) for picture in pictures])
    classes = tuple(int(index) for index in model.logits(inputs).argmax(1))
    for first, second in ((a, b) for b in range(len(classes)) for a in range(b)):
        if classes[first] == classes[second]:
            raise MetricError(
                f"pictures {first + 1} and {second + 1} are both {model.labels[classes[first]]!r} to the "
                "network; give pictures of different classes."
            )
    grid = together(inputs, side)
    if connected:
        _check_size(model, grid, side)
        player, at, targets = model, layer, classes
    else:
        place = INPUT if chosen.place == "input" else model.layers.resolve(layer or model.default_layer)
        player, at = disconnected(model, side, classes, place)
        targets = tuple(range(len(classes)))
    layers = None if at in (None, INPUT) else [at]
    found = attribute(player, grid, several(*targets), [chosen], layers, progress=progress)
    maps = torch.cat([each.float().cpu() for each in found.maps.values()])
    shares = tuple(_share(chosen, each, number, side) for number, each in enumerate(maps))
    return GridGame(classes, shares, maps)


def _check_size(model: ImageModel, grid: torch.Tensor, side: int) -> None:
    try:
        model.logits(grid)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise MetricError(
            f"{model.name} cannot see a grid of {side} × {side} pictures: it takes one size only."
        ) from error


def _share(method: Method, map: torch.Tensor, number: int, side: int) -> float:
    """Return the part of what a map shows in one cell of the grid."""
    if any(length % side for length in map.shape):
        # Cells of the map across the border: as fine as the pictures, none is.
        map = enlarged(map[None], [length * side for length in map.shape])[0]
    seen = shown(method, map)
    row, column = divmod(number, side)
    height, width = (length // side for length in seen.shape)
    own = seen[row * height : (row + 1) * height, column * width : (column + 1) * width]
    total = float(seen.sum())
    return float(own.sum()) / total if total > 0 else float("nan")
