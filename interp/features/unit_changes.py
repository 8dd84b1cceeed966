"""Units of a generator switched off, or on at a place, and what becomes of the pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from interp.features.errors import FeatureError
from interp.features.generated import made_pictures
from interp.features.generator_units import GeneratorDissection, is_whole, whole_numbers
from interp.features.picture_concepts import masks_of
from interp.features.unit_tail import tail_of
from interp.places import Place, checked, spans
from interp.progress import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Pixels = npt.NDArray[np.uint8]
Areas = Mapping[str, npt.NDArray[np.float64]]
Fill = Literal["zero", "mean", "high"]

FILLS = ("zero", "mean", "high")
_BATCH = 16
_WHOLE: Place = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class UnitChange:
    """Generated pictures before and after some units were set to other values.

    Attributes:
        done: "ablated" or "inserted".
        layer: as resolved.
        units: which.
        values: what each was set to.
        places: of each sample, where they were set; fractions 0 … 1 of the picture.
        samples: which were taken.
        before: uint8 `(N, H, W, 3)`.
        after: uint8 `(N, H, W, 3)`.
        areas_before: by concept, its share of the pixels of the place in each sample, `(N,)`.
        areas_after: the same of the changed pictures.
    """

    done: str
    layer: str
    units: tuple[int, ...]
    values: tuple[float, ...]
    places: tuple[Place, ...]
    samples: tuple[int, ...]
    before: Pixels = field(repr=False)
    after: Pixels = field(repr=False)
    areas_before: Areas = field(repr=False)
    areas_after: Areas = field(repr=False)

    @property
    def difference(self) -> npt.NDArray[np.float64]:
        """How much each pixel changed: `(N, H, W)`, mean over the colours of |after − before|, 0 … 255."""
        changed: npt.NDArray[np.float64] = np.abs(self.after.astype(float) - self.before).mean(3)
        return changed

    @property
    def changes(self) -> dict[str, float]:
        """By concept, the mean over the samples of its share after minus before, −1 … 1."""
        return {
            name: float((after - self.areas_before[name]).mean()) for name, after in self.areas_after.items()
        }

    def figure(self, *others: UnitChange, concept: str | None = None, heading: str = "") -> Figure:
        """Draw each sample before, after, and how much of it changed.

        Args:
            *others: more changes of the same samples, as an insertion beside an ablation.
            concept: says above each picture its share of the place, in per cent.
            heading: one line above.

        Raises:
            FeatureError: another change has other samples, or the concept is none.

        Example:
            >>> found = dissect_generator(interp.load("runs/noise/generator"), "3")
            >>> off, on = ablate_units(found, [7]), insert_units(found, [7], (0.25, 0.25, 0.75, 0.75))
            >>> off.figure(on, concept="bright").savefig("changed.png")
        """
        from interp.features.unit_figure import changes_figure

        return changes_figure([self, *others], concept, heading)


def ablate_units(
    found: GeneratorDissection,
    units: Sequence[int],
    *,
    to: Fill = "zero",
    place: Place = _WHOLE,
    samples: int | Sequence[int] = 8,
    progress: Progress | None = None,
) -> UnitChange:
    """Switch units off, everywhere or at a place, and run what comes after the layer again.

    `x' = f(r')`, r' the layer's activation with r'_u = 0 for the units u at the positions of the place. (Bau
    et al.: "GAN Dissection", ICLR 2019.)

    Args:
        found: what `dissect_generator` found: the generator, the layer, the samples and the concepts.
        units: which.
        to: "zero", or "mean": of each unit's activations over all samples.
        place: `(left, top, right, bottom)` in fractions 0 … 1 of the picture; the layer's positions whose
            middle it covers, at least one. Or `(x, y)`, the one that it lies in.
        samples: the first so many, or which.
        progress: is told (done, all) after each batch.

    Raises:
        FeatureError: no such unit, sample or value.
        PlaceError: the place is none.

    Example:
        >>> found = dissect_generator(interp.load("runs/noise/generator"), "3")
        >>> ablate_units(found, found.ranked("bright")[:4]).changes["bright"]
    """
    return changed("ablated", found, units, to, place, samples, progress)


def insert_units(
    found: GeneratorDissection,
    units: Sequence[int],
    place: Place,
    *,
    to: Fill | float = "high",
    samples: int | Sequence[int] = 8,
    progress: Progress | None = None,
) -> UnitChange:
    """Switch units on at a place, and run what comes after the layer again.

    `x' = f(r')`, r' the layer's activation with r'_u = k_u for the units u at the positions of the place. The
    paper's k_u is the unit's mean where the concept is; here it is the mean of its top 1 %, which needs
    none. (Bau et al.: "GAN Dissection", ICLR 2019.)

    Args:
        found: as of `ablate_units`.
        units: which.
        place: as of `ablate_units`.
        to: "high", as above, or a number for all of the units.
        samples: the first so many, or which.
        progress: is told (done, all) after each batch.

    Raises:
        FeatureError: no such unit, sample or value.
        PlaceError: the place is none.

    Example:
        >>> found = dissect_generator(interp.load("runs/noise/generator"), "3")
        >>> insert_units(found, found.ranked("bright")[:4], (0.25, 0.25, 0.75, 0.75)).changes["bright"]
    """
    return changed("inserted", found, units, to, place, samples, progress)


def sample_numbers(found: GeneratorDissection, samples: int | Sequence[int]) -> list[int]:
    """Return which samples are meant: the first so many, or those.

    Raises:
        FeatureError: none is.

    Example:
        >>> sample_numbers(found, 3)
        [0, 1, 2]
    """
    if is_whole(samples):
        if samples < 1:
            raise FeatureError(f"samples={samples}: give 1 or more.")
        return list(range(min(int(samples), found.samples.count)))
    return whole_numbers(samples, "samples")


def _values(found: GeneratorDissection, units: Sequence[int], to: Fill | float) -> Tensor:
    chosen = list(units)
    if (
        isinstance(to, (int, float, np.integer, np.floating))
        and not isinstance(to, bool)
        and math.isfinite(to)
    ):
        return torch.full((len(chosen),), float(to))
    filled = {"zero": np.zeros_like(found.high), "mean": found.means, "high": found.high}
    if not isinstance(to, str) or to not in filled:
        raise FeatureError(f"to={to!r}: give {', '.join(FILLS)}, or a number.")
    return torch.from_numpy(filled[to][chosen])


def changed(
    done: str,
    found: GeneratorDissection,
    units: Sequence[int],
    to: Fill | float,
    place: Place | Sequence[Place],
    samples: int | Sequence[int],
    progress: Progress | None,
) -> UnitChange:
    """Return what becomes of the pictures when units have other values at a place, or at one for each sample.

    Raises:
        FeatureError: no such unit, sample or value.
        PlaceError: the place is none.

    Example:
        >>> changed("ablated", found, [3], "zero", (0.0, 0.0, 1.0, 1.0), 2, None).before.shape
        (2, 32, 32, 3)
    """
    chosen = found.checked(units)
    values = _values(found, chosen, to)
    numbers = sample_numbers(found, samples)
    several = isinstance(place, list) and len(place) == len(numbers) and isinstance(place[0], tuple)
    places: list[Place] = [checked(one) for one in (place if several else [place] * len(numbers))]
    before: list[Pixels] = []
    after: list[Pixels] = []
    for start in range(0, len(numbers), _BATCH):
        part = slice(start, start + _BATCH)
        with found.model.twin() as private:
            run = tail_of(private, found.layer, found.samples.inputs(numbers[part]))
            activation = run.activation.clone()
            for one, where in zip(activation, places[part], strict=True):
                rows, columns = spans(where, (one.shape[1], one.shape[2]))
                filled = values.to(one.device, one.dtype)[:, None, None]
                block = one[chosen]
                block[:, rows, columns] = filled
                one[chosen] = block
            outputs = run.output, run.after(activation)
        for kept, output in zip((before, after), outputs, strict=True):
            kept += [np.asarray(picture) for picture in made_pictures(found.model, output)]
        if progress:
            progress(min(start + _BATCH, len(numbers)), len(numbers))
    areas = [_areas(found, pictures, places) for pictures in (before, after)]
    names = list(dict.fromkeys([*found.concepts, *areas[0], *areas[1]]))
    none = np.zeros(len(numbers))
    return UnitChange(
        done=done,
        layer=found.layer,
        units=tuple(chosen),
        values=tuple(values.tolist()),
        places=tuple(places),
        samples=tuple(numbers),
        before=np.stack(before),
        after=np.stack(after),
        areas_before={name: areas[0].get(name, none) for name in names},
        areas_after={name: areas[1].get(name, none) for name in names},
    )


def _areas(
    found: GeneratorDissection, pictures: Sequence[Pixels], places: Sequence[Place]
) -> dict[str, npt.NDArray[np.float64]]:
    areas: dict[str, npt.NDArray[np.float64]] = {}
    for number, (pixels, place) in enumerate(zip(pictures, places, strict=True)):
        for name, mask in masks_of(found.masks, Image.fromarray(pixels)).items():
            inside = mask[spans(place, (mask.shape[0], mask.shape[1]))]
            areas.setdefault(name, np.zeros(len(pictures)))[number] = inside.mean()
    return areas
