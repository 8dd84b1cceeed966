"""The concepts of a folder of pictures at a layer, each with the pictures that show it best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from interp.features.concepts.factorise import encode, explained_by, factorise, rows_of
from interp.features.concepts.maps import maps_of, negative_part, warn_of_negative
from interp.features.concepts.picture import PictureConcepts, corners, counted
from interp.features.errors import FeatureError
from interp.features.statistics import Files, files_of
from interp.features.stream import extractor_of, input_batches
from interp.images import Preprocess, open_image
from interp.images.opening import Source
from interp.models import ImageModel
from interp.progress import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Part = tuple[float, float, float, float]
"""Of a network's input: (left, top, right, bottom), each 0 … 1."""

# Of numbers, 128 MB of float32.
_MOST_VALUES = 2**25
_SHOWN_SIDE = 320
_WINDOW = 0.5
_TRACE = 0.25


@dataclass(frozen=True, eq=False)
class ConceptExample:
    """A part of a picture that shows a concept.

    Attributes:
        file: the picture.
        part: where in the network's input, (left, top, right, bottom), each 0 … 1.
        strength: how much of the concept there is, in the layer's unit.
        crop: the part, cut from the original.
    """

    file: Path
    part: Part
    strength: float
    crop: Image.Image = field(repr=False)


@dataclass(frozen=True, eq=False)
class ConceptBank:
    """The concepts of many pictures at one layer.

    Attributes:
        bank: `(K, C)`, a concept a row: a direction among the channels, of length 1.
        layer: whose activations they are of.
        examples: for each concept the parts of pictures with most of it, one a picture, strongest first; none
            with less than a quarter of the strongest.
        explained: `1 - ‖A - U W‖² / ‖A‖²` of the activations that they were found in, 0 … 1.
        pictures: how many pictures those were of.
        failed: files that could not be opened, and why.
    """

    bank: Tensor
    layer: str
    examples: tuple[tuple[ConceptExample, ...], ...]
    explained: float
    pictures: int
    failed: Mapping[Path, str] = field(default_factory=dict)

    def on(self, model: ImageModel, pictures: Source | Sequence[Source]) -> PictureConcepts:
        """Return how much of each concept there is where in a picture, or in several.

        Args:
            model: the one that the concepts are of.
            pictures: one, or a list.

        Raises:
            ImageError: a picture cannot be opened.
            FeatureError: the layer has other channels, as that of another model.

        Example:
            >>> bank.on(model, "sample_images/cat.jpg").heat.shape
            torch.Size([1, 10, 7, 7])
        """
        sources: list[Any] = list(pictures) if isinstance(pictures, (list, tuple)) else [pictures]
        opened = tuple(open_image(source) for source in sources)
        extractor = extractor_of(model, [self.layer])
        maps = torch.cat(
            [maps_of(extractor, each, self.layer) for each in torch.split(model.prepare(opened), 1)]
        )
        heat = encode(maps, self.bank)
        return PictureConcepts(
            pictures=opened,
            boxes=tuple(model.preprocess.box(picture.size) for picture in opened),
            heat=heat,
            bank=self.bank,
            layer=self.layer,
            explained=explained_by(maps, heat, self.bank),
            full=torch.tensor([row[0].strength if row else 0.0 for row in self.examples]),
        )

    def figure(self, on: PictureConcepts | None = None, *, examples: int = 6) -> Figure:
        """Return a row for each concept: its best examples, and its heat where a picture is given."""
        from interp.views.concepts import concepts_figure

        return concepts_figure(
            [[each.crop for each in row[:examples]] for row in self.examples],
            picture=None if on is None else on.pictures[0],
            heat=None if on is None else on.heat[0].numpy(),
            full=None if on is None else on.full.numpy(),
            box=None if on is None else corners(on),
            heading=f"{len(self.bank)} concepts of {counted(self.pictures)}",
            note=f"{self.layer} · they explain {self.explained:.0%} of its activations",
        )


def concepts_of(
    model: ImageModel,
    pictures: Files,
    layer: str | int | None = None,
    *,
    concepts: int = 10,
    examples: int = 8,
    batch_size: int = 16,
    seed: int = 0,
    progress: Progress | None = None,
) -> ConceptBank:
    """Find the concepts of a folder at a layer, in one pass over it.

    Where the folder's activations are more than 128 MB, equally many positions of each picture are drawn by
    chance, as many as fit.

    Args:
        model: any model with maps of positions.
        pictures: a folder, or files.
        layer: whose activations; default: the deepest features. Values below 0 are left out, and a
            warning says so where they are many.
        concepts: how many.
        examples: at most so many for each concept.
        batch_size: of the passes; the last digits of activations may change with it, and concepts with them.
        seed: of the factorisation and of the positions drawn.
        progress: is told how many pictures are done.

    Raises:
        ImageError: no such folder, or no picture in it that can be opened.
        LayerError: no such layer, or it gives no maps.
        FeatureError: more concepts than positions or channels, or no activation above 0.

    Example:
        >>> bank = concepts_of(interp.load(), "sample_images", concepts=4)
        >>> bank.bank.shape, len(bank.examples)
        (torch.Size([4, 1280]), 4)
    """
    files = files_of(pictures)
    name = model.layers.resolve(layer) if layer is not None else model.default_layer
    extractor, failed = extractor_of(model, [name]), dict[Path, str]()
    kept: list[Tensor] = []
    homes: list[Tensor] = []
    below = total = 0.0
    grid = (1, 1)
    for batch in input_batches(model, files, batch_size=batch_size, failed=failed, progress=progress):
        maps = maps_of(extractor, batch.inputs, name)
        grid = (maps.shape[2], maps.shape[3])
        mass = float(maps.abs().sum())
        below, total = below + mass * negative_part(maps), total + mass
        most = max(1, _MOST_VALUES // (maps.shape[1] * len(files)))
        for place, one in zip(batch.places, torch.split(maps, 1), strict=True):
            drawn = _drawn(grid[0] * grid[1], most, seed, place)
            kept.append(rows_of(one)[drawn])
            homes.append(torch.stack([torch.full_like(drawn, place), drawn], 1))
    need_pictures(kept, failed)
    warn_of_negative(model, name, below / total if total else 0.0)
    found = factorise(torch.cat(kept), concepts, seed=seed)
    where = torch.cat(homes)
    best = [best_of_each(column, where[:, 0], examples) for column in found.strengths.T]
    parts = [[_window(int(where[i, 1]), grid) for i in row] for row in best]
    return ConceptBank(
        bank=found.bank,
        layer=name,
        examples=tuple(
            tuple(
                example_of(model.preprocess, files[int(where[i, 0])], part, float(column[i]))
                for i, part in zip(row, cut, strict=True)
            )
            for row, cut, column in zip(best, parts, found.strengths.T, strict=True)
        ),
        explained=found.explained,
        pictures=len(kept),
        failed=failed,
    )


def need_pictures(found: Sequence[object], failed: Mapping[Path, str]) -> None:
    """Complain where no picture could be opened.

    Raises:
        FeatureError: there is none.

    Example:
        >>> need_pictures([1], {})
    """
    if not found:
        why = f" ({next(iter(failed.values()))})" if failed else ""
        raise FeatureError(f"there is no picture to find concepts in{why}; give at least one.")


def example_of(preprocess: Preprocess, file: Path, part: Part, strength: float) -> ConceptExample:
    """Cut a part of what the network sees of a picture from the original.

    Example:
        >>> example_of(model.preprocess, Path("sample_images/cat.jpg"), (0.0, 0.0, 0.5, 0.5), 1.0).crop.size
    """
    picture = open_image(file)
    box = preprocess.box(picture.size)
    at = (
        round(box.left + part[0] * box.width),
        round(box.top + part[1] * box.height),
        round(box.left + part[2] * box.width),
        round(box.top + part[3] * box.height),
    )
    crop = picture.convert("RGB").crop((*at[:2], max(at[2], at[0] + 1), max(at[3], at[1] + 1)))
    crop.thumbnail((_SHOWN_SIDE, _SHOWN_SIDE))
    return ConceptExample(file, part, strength, crop)


def best_of_each(strengths: Tensor, places: Tensor, most: int) -> list[int]:
    """Return the rows with the largest strengths, largest first, one for each place.

    Rows with less than a quarter of the largest are none: they show traces of the concept, and other things.

    Args:
        strengths: `(N,)`.
        places: `(N,)`, the number of the picture that a row is of.
        most: at most so many.

    Example:
        >>> best_of_each(torch.tensor([1.0, 3.0, 2.0, 0.0]), torch.tensor([0, 1, 1, 2]), 5)
        [1, 0]
    """
    best: list[int] = []
    taken: set[int] = set()
    least = _TRACE * strengths.max()
    for row in strengths.argsort(descending=True, stable=True).tolist():
        if len(best) == most or strengths[row] <= least:
            break
        if int(places[row]) not in taken:
            taken.add(int(places[row]))
            best.append(row)
    return best


def _drawn(positions: int, most: int, seed: int, place: int) -> Tensor:
    """Return some positions by chance, the same ones whatever the batch."""
    if positions <= most:
        return torch.arange(positions)
    chance = torch.Generator().manual_seed(seed * 1_000_003 + place)
    return torch.randperm(positions, generator=chance)[:most].sort().values


def _window(position: int, grid: tuple[int, int]) -> Part:
    """Return the part around a position, moved inside where it would stick out."""
    row, column = divmod(position, grid[1])
    left = min(max((column + 0.5) / grid[1] - _WINDOW / 2, 0.0), 1 - _WINDOW)
    top = min(max((row + 0.5) / grid[0] - _WINDOW / 2, 0.0), 1 - _WINDOW)
    return left, top, left + _WINDOW, top + _WINDOW
