"""The levels of a U-Net: the layer that ends each grid on the way down and on the way up, and the skips."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import nn

from interp.capture import record
from interp.capture.structure import map_tensors, split_call, submodule
from interp.features.errors import FeatureError
from interp.layers import main_output
from interp.models import ImageModel

# Odd sizes are cut or padded on the way up; from one level to the next sizes differ by a factor of 2.
_SAME_GRID = math.sqrt(2)


@dataclass(frozen=True)
class Level:
    """One row of the U.

    Attributes:
        size: `(H, W)` of the grid.
        encoder: the layer that ends this grid on the way down; `None` if there is none, as where only the
            picture itself has that size.
        decoder: the layer that ends it on the way up.
        skip: whether the decoder takes in what the encoder layer gives, or the picture where that is `None`.
    """

    size: tuple[int, int]
    encoder: str | None
    decoder: str | None
    skip: bool


@dataclass(frozen=True)
class Levels:
    """The U of a network.

    Attributes:
        rows: from the finest grid to the coarsest but one.
        bottleneck: the layer that ends the coarsest grid.
    """

    rows: tuple[Level, ...]
    bottleneck: str

    @property
    def layers(self) -> tuple[str, ...]:
        """All layers on the way of the data: down, the bottleneck, up."""
        down = [row.encoder for row in self.rows if row.encoder is not None]
        up = [row.decoder for row in reversed(self.rows) if row.decoder is not None]
        return (*down, self.bottleneck, *up)


def levels_of(model: ImageModel) -> Levels:
    """Read the levels of a network from its layer table, and its skips from one backward pass.

    The stages down to the smallest grid are the encoder, those after it the decoder. A skip is there if the
    output depends on an encoder layer in another way than through the layers of the next levels.

    Args:
        model: from `interp.load`. Of a network without a way up, all is encoder.

    Raises:
        FeatureError: no layer has a grid of positions.

    Example:
        >>> levels = levels_of(interp.load("runs/streets"))
        >>> levels.bottleneck, levels.rows[1]
        ('layers.3', Level(size=(90, 120), encoder='layers.0.blocks_0', decoder='layers.7', skip=True))
    """
    names = [_numbered(model, name) for name in model.layers.stages]
    stages = list(zip(names, _grids(model, names), strict=True))
    if not stages:
        raise FeatureError(f"{model.name} has no levels: no layer gives a grid of positions.")
    bottom = min(range(len(stages)), key=lambda i: (math.prod(stages[i][1]), -i))
    down, up = stages[:bottom], stages[bottom + 1 :]
    encoders = {size: name for name, size in down}
    decoders: dict[tuple[int, int], str] = {}
    for name, size in up:
        # The last one of a grid wins: before it stands what was made larger, but has not met its skip.
        decoders[nearest_size(size, (*encoders, *decoders))] = name
    skips = _skips(model, [name for name, _ in down], stages[bottom][0]) if up else set()
    rows = [
        Level(size, encoders.get(size), decoders.get(size), size in decoders and encoders.get(size) in skips)
        for size in sorted({*encoders, *decoders}, key=math.prod, reverse=True)
    ]
    return Levels(tuple(rows), stages[bottom][0])


def _numbered(model: ImageModel, name: str) -> str:
    """Return a layer with the number of its call, where its module has several."""
    calls = model.layers[name].calls
    return f"{name}@{calls - 1}" if calls > 1 and split_call(name)[1] < 0 else name


def _grids(model: ImageModel, names: Sequence[str]) -> list[tuple[int, int]]:
    """Return the grid of each layer; the table knows that of a module's last call only."""
    found = {name: model.layers[name].grid for name in names}
    if called := [name for name in names if "@" in name]:
        with model.twin() as private, record(private, called) as recording:
            private(model.blank())
            for name in called:
                found[name] = model.layers.features(name, recording[name], model.blank().shape[2:]).shape[2:]
    return [(height, width) for height, width in found.values()]


def nearest_size(size: tuple[int, int], known: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return the known grid that a size belongs to, or the size itself."""

    def apart(other: tuple[int, int]) -> float:
        return max(max(a / b, b / a) for a, b in zip(size, other, strict=True))

    def is_same(a: int, b: int) -> bool:
        # Twice a half of 3, rounded down, is 2.
        return max(a / b, b / a) < _SAME_GRID or {a, b} == {2, 3}

    best = min(known, key=apart, default=size)
    return best if all(is_same(a, b) for a, b in zip(size, best, strict=True)) else size


def _skips(model: ImageModel, encoders: Sequence[str], bottleneck: str) -> set[str | None]:
    """Return the encoder layers on which the output depends directly; `None` stands for the picture."""
    names = [*encoders, bottleneck]
    inputs = model.blank().requires_grad_()

    calls: Counter[nn.Module] = Counter()
    wanted: dict[nn.Module, set[int]] = defaultdict(set)

    def cut(module: nn.Module, _args: object, output: object) -> object:
        calls[module] += 1
        # Only a module that is called once has no number, which is -1.
        asked = wanted[module] & {-1, calls[module] - 1}
        return map_tensors(output, torch.Tensor.detach) if asked else output

    with model.twin() as private, record(private, names, gradients=True) as recording, ExitStack() as stack:
        for name in names:
            # Before the recording's own hook, which then begins the graph anew at this layer.
            part, call = split_call(name)
            module = submodule(private, part)
            if module not in wanted:
                stack.callback(module.register_forward_hook(cut, prepend=True).remove)
            wanted[module].add(call)
        output = main_output(private(inputs.clone()))
        sources = [inputs, *(recording[name] for name in encoders)]
        found = torch.autograd.grad(output.sum(), sources, allow_unused=True)
    reached = zip([None, *encoders], found, strict=True)
    return {name for name, gradient in reached if gradient is not None}
