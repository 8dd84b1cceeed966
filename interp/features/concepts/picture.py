"""The concepts of one picture, or of a few: where each of them is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor

from interp.capture import CaptureError, replay
from interp.features.concepts.factorise import factorise
from interp.features.concepts.maps import as_layer_gives, maps_of, negative_part, warn_of_negative
from interp.features.stream import extractor_of
from interp.images import Box, open_image
from interp.images.opening import Source
from interp.layers import main_output
from interp.models import ImageModel
from interp.models.image_model import Prediction

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class PictureConcepts:
    """Where concepts are in pictures.

    Attributes:
        pictures: the originals.
        boxes: what the network saw of each, in its pixels.
        heat: how much of each concept is where, `(pictures, K, H, W)`, from 0, in the layer's unit.
        bank: the concepts, `(K, C)`, each of length 1.
        layer: whose activations they are of.
        explained: `1 - ‖A - U W‖² / ‖A‖²` on these pictures, 0 … 1.
        full: what has the full colour in figures, `(K,)`: the most of each concept in these pictures or,
            where the concepts are of a folder, in its best example.
        said: what the network's head makes of each concept alone, its likeliest class; empty where the
            network is no classifier, or was not asked.
    """

    pictures: tuple[Image.Image, ...]
    boxes: tuple[Box, ...]
    heat: Tensor
    bank: Tensor
    layer: str
    explained: float
    full: Tensor
    said: tuple[Prediction, ...] = ()

    def figure(self) -> Figure:
        """Return a row for each picture: itself, all concepts in their colours, each concept alone."""
        from interp.views.concepts import concept_maps_figure

        said = " · last line: what the network would call a concept alone" if self.said else ""
        return concept_maps_figure(
            self.pictures,
            self.heat.numpy(),
            full=self.full.numpy(),
            boxes=[corners(self, number) for number in range(len(self.pictures))],
            names=[f"{each.name} {each.probability:.0%}" for each in self.said],
            heading=f"{len(self.bank)} concepts of {counted(len(self.pictures))}",
            note=f"{self.layer} · they explain {self.explained:.0%} of its activations{said}",
        )


def deep_feature_factorisation(
    model: ImageModel,
    pictures: Source | Sequence[Source],
    layer: str | int | None = None,
    *,
    concepts: int = 5,
    seed: int = 0,
) -> PictureConcepts:
    """Find the concepts of a picture, or those that a few have in common (Collins et al., 2018).

    The layer's activations at all positions are the rows of `A ≈ U W`; a column of U is a concept's heat.

    Args:
        model: any model with maps of positions.
        pictures: one, or a list.
        layer: whose activations; default: the deepest features. Values below 0 are left out, and a
            warning says so where they are many.
        concepts: how many.
        seed: of the factorisation.

    Raises:
        ImageError: a picture cannot be opened.
        LayerError: no such layer, or it gives no maps.
        FeatureError: more concepts than positions or channels, or no activation above 0.

    Example:
        >>> found = deep_feature_factorisation(interp.load(), "sample_images/cat.jpg", concepts=3)
        >>> found.heat.shape
        torch.Size([1, 3, 7, 7])
    """
    sources: list[Source] = list(pictures) if isinstance(pictures, (list, tuple)) else [pictures]  # type: ignore[list-item]
    opened = tuple(open_image(source) for source in sources)
    name = model.layers.resolve(layer) if layer is not None else model.default_layer
    extractor, inputs = extractor_of(model, [name]), model.prepare(opened)
    maps = torch.cat([maps_of(extractor, each, name) for each in torch.split(inputs, 1)])
    warn_of_negative(model, name, negative_part(maps))
    rows = maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])
    found = factorise(rows, concepts, seed=seed)
    heat = found.strengths.reshape(len(opened), *maps.shape[2:], concepts).permute(0, 3, 1, 2)
    return PictureConcepts(
        pictures=opened,
        boxes=tuple(model.preprocess.box(picture.size) for picture in opened),
        heat=heat.contiguous(),
        bank=found.bank,
        layer=name,
        explained=found.explained,
        full=heat.amax((0, 2, 3)),
        said=say(model, name, found.bank, maps),
    )


def say(model: ImageModel, layer: str, bank: Tensor, maps: Tensor) -> tuple[Prediction, ...]:
    """Return the likeliest class of a picture with one concept at all positions and nothing else, for each.

    The concept is as strong as the average of the maps' positions is long.

    Args:
        model: a classifier; of others nothing is said.
        layer: that the concepts are of.
        bank: `(K, C)`.
        maps: activations of pictures, `(B, C, H, W)`.

    Returns:
        One for each concept, or none where the rest of the network cannot be run alone.

    Example:
        >>> [each.name for each in say(model, "bn2", found.bank, maps)]
    """
    if model.task != "classification":
        return ()
    length = float(maps.clamp(min=0).mean((2, 3)).norm(dim=1).mean())
    alone = (length * bank)[:, :, None, None].expand(-1, -1, *maps.shape[2:])
    with model.twin() as private, torch.inference_mode(False), torch.no_grad():
        blank = model.blank()
        try:
            tail = replay(private, layer, blank)
        except CaptureError:
            return ()
        logits = main_output(tail(as_layer_gives(alone, tail.activation, blank)))
    if logits.dim() != 2 or logits.shape[0] != len(bank):
        return ()
    return tuple(ranked[0] for ranked in model.ranked(logits, 1))


def counted(pictures: int) -> str:
    """Return how many pictures in words.

    Example:
        >>> counted(1), counted(3)
        ('1 picture', '3 pictures')
    """
    return f"{pictures} picture{'s' * (pictures != 1)}"


def corners(on: PictureConcepts, number: int = 0) -> tuple[float, float, float, float]:
    """Return what the network saw of a picture as views take it: (left, top, right, bottom).

    Example:
        >>> corners(deep_feature_factorisation(interp.load(), "sample_images/cat.jpg"))
    """
    box = on.boxes[number]
    return box.left, box.top, box.right, box.bottom
