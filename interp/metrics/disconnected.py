"""A network whose classes see one picture of a grid each: what lies elsewhere is certainly no reason."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from interp.capture import twin
from interp.capture.structure import split_call
from interp.layers import LayerError, main_output
from interp.methods import INPUT
from interp.metrics.trial import MetricError
from interp.models import ImageModel
from interp.models.labels import Labels


def disconnected(
    model: ImageModel, side: int, classes: tuple[int, ...], layer: str
) -> tuple[ImageModel, str]:
    """Return the network as one that sees a grid cell by cell, and the name of its layer.

    `output_c(grid) = logit_c(cell of c)`: the network runs on every cell alone, with all its weights. For
    whoever watches the layer, its outputs lie side by side as the cells do.

    Args:
        model: a classifier of pictures.
        side: cells of a row, and of a column.
        classes: of each cell, row by row: its output is the cell's logit of this class.
        layer: name of the layer that will be watched, or `"input"`.

    Raises:
        MetricError: the layer's output has no height and width.
    """
    with model.twin() as private:
        network = twin(private)
    height, width = model.preprocess.size
    found = replace(
        model,
        module=Disconnected(network, side, classes),
        preprocess=replace(model.preprocess, size=(side * height, side * width)),
        name=f"{model.name}, disconnected",
        labels=Labels(tuple(model.labels[index] for index in classes)),
        architecture=None,
        origin=None,
        output=None,
        extras=(),
    )
    watched = _usual(model) if layer == INPUT else layer
    if watched is None:
        return found, INPUT
    name, call = split_call(watched)
    shape = model.layers[watched].shape
    if shape is None or len(shape) != 3:
        if layer == INPUT:
            return found, INPUT
        raise MetricError(
            f"{layer} puts out {shape}; the game needs a layer with channels, height and width, or a method "
            "whose map lies on the input."
        )
    network.set_submodule(name, _SideBySide(network.get_submodule(name), side))
    return found, INPUT if layer == INPUT else f"network.{name}.whole" + f"@{call}" * ("@" in watched)


def _usual(model: ImageModel) -> str | None:
    """Return the default layer, which some methods on the input look at, too; None where there is none."""
    try:
        return model.default_layer
    except LayerError:
        return None


class Disconnected(nn.Module):
    """Runs a network on every cell of a grid, and gives for each cell the logit of its own class.

    Args:
        network: a classifier.
        side: cells of a row, and of a column.
        classes: of each cell, row by row.
    """

    def __init__(self, network: nn.Module, side: int, classes: tuple[int, ...]) -> None:
        super().__init__()
        self.network = network
        self.side = side
        self.classes = classes

    def forward(self, grid: torch.Tensor) -> torch.Tensor:
        """Return `(B, side²)` for grids `(B, C, side · H, side · W)`."""
        logits = main_output(self.network(apart(grid, self.side)))
        cells = logits.reshape(-1, self.side**2, *logits.shape[1:])
        return torch.stack([cells[:, cell, index] for cell, index in enumerate(self.classes)], 1)


class _SideBySide(nn.Module):
    """A layer whose outputs of the cells lie side by side for whoever watches `whole`."""

    def __init__(self, layer: nn.Module, side: int) -> None:
        super().__init__()
        self.layer = layer
        self.whole = _Together(side)

    def forward(self, *args: object, **kwargs: object) -> torch.Tensor:
        whole = self.whole(self.layer(*args, **kwargs))
        return apart(whole, self.whole.side)


class _Together(nn.Module):
    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, cells: torch.Tensor) -> torch.Tensor:
        return together(cells, self.side)


def together(cells: torch.Tensor, side: int) -> torch.Tensor:
    """Return grids `(B, C, side · H, side · W)` of cells `(B · side², C, H, W)`, row by row.

    Example:
        >>> together(torch.arange(4.0).reshape(4, 1, 1, 1), 2)
        tensor([[[[0., 1.],
                  [2., 3.]]]])
    """
    channels, height, width = cells.shape[1:]
    batch = cells.reshape(-1, side, side, channels, height, width).permute(0, 3, 1, 4, 2, 5)
    return batch.reshape(-1, channels, side * height, side * width)


def apart(grid: torch.Tensor, side: int) -> torch.Tensor:
    """Return the cells `(B · side², C, H, W)` of grids `(B, C, side · H, side · W)`, row by row."""
    batch, channels, height, width = grid.shape
    cells = grid.reshape(batch, channels, side, height // side, side, width // side).permute(0, 2, 4, 1, 3, 5)
    return cells.reshape(-1, channels, height // side, width // side)
