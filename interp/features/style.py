"""The style of pictures: what a network's channels have in common over them, layer by layer."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from interp.features.blocks import last_activations
from interp.features.errors import FeatureError
from interp.features.extractor import Extractor
from interp.features.gram import Normalise, clustered_order, cosine, dead_channels, gram
from interp.images import open_image
from interp.images.opening import Source
from interp.models import ImageModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BATCH = 8


@dataclass(frozen=True, eq=False)
class Style:
    """The Gram matrices of some pictures at some layers of a network.

    Attributes:
        model: what people call the network.
        layers: their names, in the order asked for.
        pictures: what the pictures are called.
        grams: for each layer `(P, C, C)`, a matrix for each of P pictures, on the CPU.
        normalise: what the matrices were divided by.
        views: the part of each picture that the network saw, in its input's size.
    """

    model: str
    layers: tuple[str, ...]
    pictures: tuple[str, ...]
    grams: Mapping[str, Tensor]
    normalise: Normalise
    views: tuple[Image.Image, ...]

    def order(self, layer: str) -> tuple[int, ...]:
        """Return the `clustered_order` of a layer's channels that all pictures share."""
        # At one scale each, or the loudest picture would order the channels alone.
        matrices = self.grams[layer].double()
        traces = matrices.diagonal(dim1=1, dim2=2).sum(1)
        return clustered_order((matrices / traces.where(traces > 0, 1)[:, None, None]).mean(0))

    def figure(self) -> Figure:
        """Draw the cosine view: pictures in rows, layers in columns, of two pictures the difference too.

        Each layer's channels stand in the order of their clusters, the same in all rows.

        Example:
            >>> style(interp.load(), "sample_images/cat.jpg").figure().savefig("gram.png")
        """
        from interp.views import gram_figure

        ordered: list[list[Tensor]] = [[] for _ in self.pictures]
        notes = []
        for layer in self.layers:
            order = list(self.order(layer))
            for row, values in zip(ordered, cosine(self.grams[layer]), strict=True):
                row.append(values[order][:, order])
            dead = set.intersection(*(set(dead_channels(one)) for one in self.grams[layer]))
            notes.append(f"{len(order)} channels" + (f", {len(dead)} dead" if dead else ""))
        return gram_figure(
            [[values.numpy() for values in row] for row in ordered],
            layers=self.layers,
            pictures=self.pictures,
            views=self.views,
            notes=notes,
            heading=f"Which channels fire together  ·  {self.model}",
        )


def style(
    model: ImageModel,
    pictures: Source | Sequence[Source],
    layers: str | int | Sequence[str | int] | None = None,
    *,
    normalise: Normalise = "CHW",
) -> Style:
    """Return the Gram matrices of pictures, `G = F Fᵀ / n` at each layer.

    (Gatys, Ecker, Bethge: "A Neural Algorithm of Artistic Style", 2015.) For each picture a layer keeps C²
    numbers, all default layers of the offline network 9 MB; `nearest_by_style` goes through any number of
    pictures.

    Args:
        model: any network with pictures for inputs.
        pictures: one, or a list of them.
        layers: names or indices, as `model.layers.resolve` takes them; default `last_activations`.
        normalise: what n is: positions (`HW`), or all values (`CHW`).

    Raises:
        ImageError: a picture cannot be opened.
        LayerError: no such layer, or the network has no activation on a grid.
        FeatureError: no picture, a layer twice, one without positions, or values that are not finite.

    Example:
        >>> found = style(interp.load(), ["sample_images/cat.jpg", "sample_images/rocket.jpg"], ["blocks.2"])
        >>> found.grams["blocks.2"].shape
        torch.Size([2, 40, 40])
    """
    sources: Sequence[Any] = pictures if isinstance(pictures, (list, tuple)) else [pictures]
    if not sources:
        raise FeatureError("pictures is empty; give one or more.")
    names, extractor = style_extractor(model, layers)
    grams: dict[str, list[Tensor]] = {name: [] for name in names}
    views = []
    for start in range(0, len(sources), _BATCH):
        opened = [open_image(source) for source in sources[start : start + _BATCH]]
        views += [model.preprocess.view(image) for image in opened]
        for name, matrices in zip(names, grams_of(extractor, model.prepare(opened), normalise), strict=True):
            grams[name].append(matrices)
    with torch.inference_mode(False):
        stacked = {name: torch.cat(matrices) for name, matrices in grams.items()}
    titles = tuple(called(source, number) for number, source in enumerate(sources))
    return Style(model.name, names, titles, stacked, normalise, tuple(views))


def relative_distance(a: Tensor, b: Tensor) -> Tensor:
    """Return `d = ‖A − B‖ / (‖A‖ + ‖B‖)`, with Frobenius norms.

    It does not depend on the scale that both have, so layers can be compared, and `HW` and `CHW` give the
    same. It is a metric, the relative metric (Hästö: "A new weighted metric", 2002): 0 only for equals,
    symmetric, and no way around is shorter. Matrices that share no channel and are equally large have
    √½ = 0.71; 1 means that one of them is 0, or next to nothing beside the other.

    Args:
        a: Gram matrices `(…, C, C)`.
        b: as many, or one.

    Returns:
        float64 `(…)`, 0 … 1; 0 for two matrices of zeros.

    Raises:
        FeatureError: they have different numbers of channels.

    Example:
        >>> relative_distance(torch.eye(2), 3 * torch.eye(2))
        tensor(0.5000, dtype=torch.float64)
    """
    if a.shape[-2:] != b.shape[-2:]:
        raise FeatureError(
            f"Gram matrices of {a.shape[-1]} and {b.shape[-1]} channels have no distance; "
            "compare matrices of one layer."
        )
    apart, left, right = (_norm(matrix) for matrix in (a - b, a, b))
    both = left + right
    return torch.where(both > 0, apart / both.where(both > 0, 1), 0)


def style_extractor(
    model: ImageModel, layers: str | int | Sequence[str | int] | None
) -> tuple[tuple[str, ...], Extractor]:
    """Return the names of the layers whose style is asked for, and what gives their outputs."""
    if layers is None:
        names = last_activations(model.module, model.blank())
    else:
        typed = [layers] if isinstance(layers, (str, int)) else layers
        names = [model.layers.resolve(layer) for layer in typed]
    if not names:
        raise FeatureError("layers is empty; name one, or leave it out for the last activation of each grid.")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise FeatureError(f"layer {twice[0]!r} is named twice.")
    return tuple(names), Extractor(model.module, names, model.blank())


def grams_of(extractor: Extractor, inputs: Tensor, normalise: Normalise) -> list[Tensor]:
    """Return the Gram matrices `(B, C, C)` of each layer, on the CPU, without a graph."""
    with torch.inference_mode(False), torch.no_grad():
        return [
            _checked_gram(layer.removesuffix("@0"), output, normalise)
            for layer, output in zip(extractor.layers, extractor(inputs), strict=True)
        ]


def called(source: Any, number: int) -> str:
    """Return the name of a picture's file, or its number."""
    path = source if isinstance(source, (str, os.PathLike)) else getattr(source, "filename", None)
    return Path(os.fsdecode(path)).name if path else f"picture {number}"


def _checked_gram(layer: str, output: Tensor, normalise: Normalise) -> Tensor:
    if output.dim() != 4:
        raise FeatureError(
            f"layer {layer!r} gives {tuple(output.shape[1:])} for a picture; "
            "give a layer with channels, height and width."
        )
    matrices = gram(output, normalise).cpu()
    if not matrices.isfinite().all():
        raise FeatureError(f"layer {layer!r} gives values that are not finite, or too large to be squared.")
    return matrices


def _norm(matrix: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(matrix, dim=(-2, -1), dtype=torch.float64)
    return norms
