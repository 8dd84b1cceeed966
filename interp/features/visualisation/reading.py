"""How objectives read activations: channels and positions of grids, rows and tokens."""

from __future__ import annotations

from torch import Tensor

from interp.features.errors import FeatureError

OUTPUT = ""
"""The layer that is the network itself: its output, of nested outputs the first tensor."""

Layer = str | int
"""A layer as a person names it."""


def called(layer: Layer) -> str:
    """Return what a layer is called in figures."""
    return "output" if layer == OUTPUT else str(layer)


def rows_of(activation: Tensor) -> Tensor:
    """Return `(B, C, positions)`."""
    if activation.dim() == 3:  # a transformer's tokens
        return activation.mT
    return activation.flatten(2) if activation.dim() > 2 else activation[..., None]


def channel_of(activation: Tensor, layer: Layer, number: int) -> Tensor:
    """Return one channel's positions, `(B, positions)`."""
    rows = rows_of(activation)
    if not 0 <= number < rows.shape[1]:
        raise FeatureError(
            f"layer {called(layer)!r} has no channel {number}: its channels are 0 … {rows.shape[1] - 1}."
        )
    return rows[:, number]


def value_at(activation: Tensor, layer: Layer, position: tuple[int, int] | None, number: int) -> Tensor:
    """Return one channel at one position, by default the centre, `(B,)`."""
    values = channel_of(activation, layer, number)
    if activation.dim() != 4:
        if position is not None:
            raise FeatureError(f"layer {called(layer)!r} has no grid of positions; leave out the position.")
        return values[:, values.shape[1] // 2]
    return column_at(activation, layer, position)[:, number]


def column_at(activation: Tensor, layer: Layer, position: tuple[int, int] | None) -> Tensor:
    """Return what stands at one position, `(B, C)`."""
    if activation.dim() != 4:
        raise FeatureError(f"layer {called(layer)!r} has no grid of positions; leave out the position.")
    height, width = activation.shape[2:]
    row, column = (height // 2, width // 2) if position is None else position
    if not (0 <= row < height and 0 <= column < width):
        raise FeatureError(
            f"layer {called(layer)!r} has no position ({row}, {column}): its grid is {height} × {width}."
        )
    return activation[:, :, row, column]
