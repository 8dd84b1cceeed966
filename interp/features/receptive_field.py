"""The receptive field: which part of the picture a position of a layer can see. Measured, for any network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from PIL import Image
from torch import Tensor

from interp.features.errors import FeatureError
from interp.features.field_passes import Weights, interval, passed, unbounded, weights_of
from interp.features.stream import extractor_of
from interp.images import Box, Preprocess
from interp.models import ImageModel
from interp.progress import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class ReceptiveField:
    """What one position of a layer can see.

    Attributes:
        layer: as resolved, with `@call`.
        position: (row, column) in the layer's grid.
        grid: (rows, columns) of the layer.
        box: what the position can see, in pixels of the network's input; cut off at its border.
        weights: `(H, W)` of the input, sum 1: the share of the ways through the network that begin at each
            pixel. The middle counts far more than the border.
        size: (height, width) of the field where no border cuts it off, in pixels of the input; `None` if it
            is unbounded, or the network does not run on larger inputs.
        stride: (down, across): how far the fields of neighbouring positions are apart; `None` as `size`.
        preprocess: of the model.
    """

    layer: str
    position: tuple[int, int]
    grid: tuple[int, int]
    box: Box
    weights: Weights = field(repr=False)
    size: tuple[int, int] | None
    stride: tuple[float, float] | None
    preprocess: Preprocess = field(repr=False)

    def core(self, share: float = 0.9) -> Box:
        """Return the part of the box that holds `share` of the weight of its rows, and of its columns."""
        return _interval_box(self.weights.sum(1), self.weights.sum(0), share)

    def on(self, image_size: tuple[int, int], box: Box | None = None) -> Box:
        """Return the box (or another one of the input) in pixels of a picture of (width, height).

        It may reach outside the picture where the input has black borders.
        """
        return on_picture(box or self.box, self.preprocess, image_size)

    def figure(self, picture: Image.Image) -> Figure:
        """Return the picture with the field on it: the box, and what counts most inside.

        Example:
            >>> found = receptive_field(interp.load(), "blocks.2")
            >>> found.figure(interp.open_image("sample_images/cat.jpg")).savefig("field.png")
        """
        from interp.views.receptive_field import receptive_field_figure

        return receptive_field_figure(
            picture,
            self.weights,
            covered=_corners(self.preprocess.box(picture.size)),
            box=_corners(self.on(picture.size)),
            core=_corners(self.on(picture.size, self.core())),
            heading=f"{self.layer.removesuffix('@0')}, row {self.position[0]}, column {self.position[1]}",
            note=self.summary,
        )

    @property
    def summary(self) -> str:
        """Size and stride in one line."""
        height, width = (round(self.box.height), round(self.box.width))
        here = f"sees {width} × {height} of {self.weights.shape[1]} × {self.weights.shape[0]} input pixels"
        if self.size is None or self.stride is None:
            return here
        own = f"{self.size[1]} × {self.size[0]} without borders, every {self.stride[1]:g} pixels"
        return f"{here}; {own}"


@dataclass(frozen=True, eq=False)
class ReceptiveFields:
    """The fields of all positions of a layer, from one pass; each is worked out when it is asked for.

    Attributes:
        layer: as resolved, with `@call`.
        grid: (rows, columns) of the layer.
        preprocess: of the model.
    """

    layer: str
    grid: tuple[int, int]
    preprocess: Preprocess
    _blank: Tensor = field(repr=False)
    _output: Tensor = field(repr=False)
    _longer: Callable[[int], tuple[int, float] | None] = field(repr=False)

    @cached_property
    def unbounded(self) -> tuple[tuple[int, int], tuple[float, float]] | None:
        """Size (height, width) and stride (down, across) where no border cuts a field off, or None.

        As in `ReceptiveField`. It takes passes of larger and larger inputs, once.
        """
        down, across = self._longer(0), self._longer(1)
        if down is None or across is None:
            return None
        return (down[0], across[0]), (down[1], across[1])

    def at(self, position: tuple[int, int], *, unbounded: bool = True) -> ReceptiveField:
        """Return the field of one position (row, column); negative ones count from the end.

        Args:
            position: in the layer's grid.
            unbounded: whether to measure size and stride without borders too. That takes seconds for deep
                layers, once; without it both are None.

        Raises:
            FeatureError: the grid has no such position.
        """
        row, column = (_place(p, side, self.grid) for p, side in zip(position, self.grid, strict=True))
        weights = weights_of(self._output, (row, column), self._blank)
        box = _interval_box(weights.sum(1), weights.sum(0), 1.0)
        size, stride = (self.unbounded if unbounded else None) or (None, None)
        return ReceptiveField(
            self.layer, (row, column), self.grid, box, weights, size, stride, self.preprocess
        )

    def row(self, row: int) -> Weights:
        """Return how much each row of the input counts for a row of the layer, `(H,)`, sum 1."""
        found: Weights = weights_of(self._output, (row, slice(None)), self._blank).sum(1)
        return found

    def column(self, column: int) -> Weights:
        """Return how much each column of the input counts for a column of the layer, `(W,)`, sum 1."""
        found: Weights = weights_of(self._output, (slice(None), column), self._blank).sum(0)
        return found

    def position(self, pixel: tuple[float, float], image_size: tuple[int, int]) -> tuple[int, int]:
        """Return the position of the layer over a pixel (x, y) of a picture of (width, height).

        Raises:
            FeatureError: the network does not see that pixel.
        """
        seen = self.preprocess.box(image_size)
        across = (pixel[0] - seen.left) / seen.width
        down = (pixel[1] - seen.top) / seen.height
        if not (0 <= across < 1 and 0 <= down < 1):
            raise FeatureError(
                f"the pixel {pixel} is outside of what the network sees of a picture of {image_size[0]} × "
                f"{image_size[1]}: x {seen.left:g} … {seen.right:g}, y {seen.top:g} … {seen.bottom:g}."
            )
        return int(down * self.grid[0]), int(across * self.grid[1])


def receptive_field(
    model: ImageModel, layer: str | int, position: tuple[int, int] | None = None
) -> ReceptiveField:
    """Return what one position of a layer can see: the pixels with a way through the network to it.

    Nothing is derived from kernel sizes: on a private pass all convolutions have equal positive weights,
    max pools are average pools, activations and normalisations pass their input on; the gradient of the
    position then is positive just where a way begins. So it holds for any network: residual blocks, U-Nets,
    functions called in the open. (Araujo, Norris, Sim: "Computing Receptive Fields of Convolutional Neural
    Networks", Distill 2019, has the formula for chains; Luo et al.: "Understanding the Effective Receptive
    Field", 2016, why its border hardly counts.)

    Squeeze-and-excitation gates and other things pooled over the whole picture do not count: the field is
    that of the way through space. What lies behind such a pooling, or behind attention, sees everything.

    Args:
        model: any model.
        layer: name, index or suffix, as `model.layers.resolve` takes it.
        position: (row, column) in the layer's grid; the middle where None.

    Raises:
        LayerError: no such layer, or several fit.
        FeatureError: the layer has no grid of positions, or not this one.

    Example:
        >>> found = receptive_field(interp.load(), "blocks.1")
        >>> found.size, found.stride
        ((19, 19), (4.0, 4.0))
    """
    fields = receptive_fields(model, layer)
    return fields.at(position or (fields.grid[0] // 2, fields.grid[1] // 2))


def receptive_fields(
    model: ImageModel, layer: str | int, *, progress: Progress | None = None
) -> ReceptiveFields:
    """Return the fields of all positions of a layer; see `receptive_field`.

    Args:
        model: any model.
        layer: name, index or suffix, as `model.layers.resolve` takes it.
        progress: is told before each of the larger passes that `unbounded` takes: (taken, at most).

    Raises:
        LayerError: no such layer, or several fit.
        FeatureError: the layer has no grid of positions.

    Example:
        >>> fields = receptive_fields(interp.load(), "blocks.1")
        >>> fields.position((160, 100), (320, 213))
        (26, 28)
    """
    extractor = extractor_of(model, [layer])
    name = extractor.layers[0]
    height, width = model.preprocess.size
    blank, output, paths = passed(extractor, model, height, width)
    if not (output.requires_grad or paths.pooled):
        raise FeatureError(
            f"nothing is known of what the layer {name!r} sees: the network's forward cuts the graph before "
            "it (inference_mode). Choose a layer before that."
        )
    bounded = output.requires_grad and not paths.everywhere

    def longer(axis: int) -> tuple[int, float] | None:
        return unbounded(extractor, model, axis, progress) if bounded else None

    grid = (output.shape[0], output.shape[1])
    return ReceptiveFields(name, grid, model.preprocess, blank, output, longer)


def on_picture(box: Box, preprocess: Preprocess, image_size: tuple[int, int]) -> Box:
    """Return a box of the network's input in pixels of a picture of (width, height).

    Example:
        >>> on_picture(Box(0, 0, 5, 10), Preprocess((10, 10), (0.5,), (0.5,), fit="squish"), (40, 20))
        Box(left=0.0, top=0.0, right=20.0, bottom=20.0)
    """
    seen = preprocess.box(image_size)
    height, width = preprocess.size
    across, down = seen.width / width, seen.height / height
    return Box(
        seen.left + box.left * across,
        seen.top + box.top * down,
        seen.left + box.right * across,
        seen.top + box.bottom * down,
    )


def _interval_box(rows: Weights, columns: Weights, share: float) -> Box:
    top, bottom = interval(rows, share)
    left, right = interval(columns, share)
    return Box(float(left), float(top), float(right), float(bottom))


def _place(place: int, side: int, grid: tuple[int, int]) -> int:
    if not -side <= place < side:
        raise FeatureError(
            f"there is no position {place} along a side of {side}: the grid is {grid[0]} × {grid[1]}."
        )
    return place % side


def _corners(box: Box) -> tuple[float, float, float, float]:
    return box.left, box.top, box.right, box.bottom
