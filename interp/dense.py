"""Targets of outputs that have a value for every position: segmentations and pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from interp.logits import TargetError
from interp.models.labels import Labels
from interp.places import Place, PlaceError, in_words, positions
from interp.precision import in_full
from interp.regions import to_runs


@dataclass(frozen=True, eq=False)
class RegionTarget:
    """A class over a region: `s = Σ_(i,j) in region logit_c(i, j)`; the region does not follow the gradient.

    Attributes:
        index: of the class.
        region: bool `(H, W)`.
        name: how it is called in pictures and reports.
        place: of a pixel or a box, which give the region again; `None` of any other region.
        predicted: the region is where the class is predicted, and the model gives it again.

    Example:
        >>> road = RegionTarget(3, logits[0].argmax(0) == 3, "road, where it is predicted")
        >>> road(logits).shape
        torch.Size([1])
    """

    index: int
    region: torch.Tensor = field(repr=False)
    name: str
    place: Place | None = None
    predicted: bool = False

    def __call__(self, output: torch.Tensor) -> torch.Tensor:
        """Return `(B,)` scores of `(B, classes, H, W)` logits.

        Raises:
            TargetError: the output has another size, or not so many classes.
        """
        if output.shape[2:] != self.region.shape or not 0 <= self.index < output.shape[1]:
            raise TargetError(
                f"{self.name} asks for class {self.index} over {_across(self.region)} positions; the output "
                f"has the shape {tuple(output.shape)}."
            )
        return (in_full(output[:, self.index]) * self.region.to(output.device)).sum((1, 2))

    def to_json(self) -> dict[str, Any]:
        """Return plain values, from which the model gives the region again; a free region as run lengths."""
        if self.place is not None:
            return {"class": self.index, "place": list(self.place), "name": self.name}
        if self.predicted:
            return {"predicted_region": self.index, "name": self.name}
        size = list(self.region.shape)
        return {
            "class": self.index,
            "region": {"size": size, "runs": to_runs(self.region.cpu().numpy())},
            "name": self.name,
        }


def _across(region: torch.Tensor) -> str:
    return " × ".join(map(str, reversed(region.shape)))


@dataclass(frozen=True)
class DetailTarget:
    """How much detail a picture has: `s = Σ_c,i,j |x_c(i, j + 1) − x_c(i, j)| + |x_c(i + 1, j) − x_c(i, j)|`.

    What a super-resolution adds to its input, and a fair default when nobody says which part is meant.
    """

    name: str = "detail of the output"

    def __call__(self, output: torch.Tensor) -> torch.Tensor:
        """Return `(B,)` scores of `(B, C, H, W)` pictures."""
        values = in_full(output)
        across, down = values.diff(dim=3).abs(), values.diff(dim=2).abs()
        return across.sum((1, 2, 3)) + down.sum((1, 2, 3))

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"detail": True, "name": self.name}


def predicted_regions(logits: torch.Tensor, labels: Labels, count: int) -> tuple[RegionTarget, ...]:
    """Return the classes with the largest predicted regions, each over its region, largest first.

    Args:
        logits: `(classes, H, W)` of one picture.
        labels: their names.
        count: classes at most.

    Example:
        >>> predicted_regions(torch.eye(2)[:, :, None].expand(2, 2, 3), Labels(("sky", "road")), 1)[0].name
        'sky, where it is predicted'
    """
    found = predicted_classes(logits)
    areas = found[found >= 0].bincount(minlength=len(logits))
    largest = areas.argsort(descending=True, stable=True)[:count].tolist()
    if not areas.any():
        raise PlaceError(
            f"{labels[0]} is predicted nowhere in the picture; ask for it at a pixel or in a box."
        )
    return tuple(predicted_region(logits, labels, i) for i in largest if areas[i])


def predicted_classes(logits: torch.Tensor) -> torch.Tensor:
    """Return the class of each position, `(H, W)`; of a single one −1 where its logit is not positive."""
    return logits.argmax(0) if len(logits) > 1 else (logits[0] > 0).long() - 1


def predicted_region(logits: torch.Tensor, labels: Labels, index: int) -> RegionTarget:
    """Return a class over the region where it is predicted."""
    name = f"{labels[index]}, where it is predicted"
    return RegionTarget(index, predicted_classes(logits) == index, name, predicted=True)


def region_at(
    logits: torch.Tensor, labels: Labels, place: Place, wanted: str | int | None = None
) -> RegionTarget:
    """Return a class over a pixel or a box.

    Args:
        logits: `(classes, H, W)` of one picture.
        labels: their names.
        place: checked by `interp.places.checked`.
        wanted: the class; `None` for the one that is predicted there, in a box at most of its positions.

    Raises:
        LabelError: no such class.

    Example:
        >>> region_at(torch.eye(2)[:, :, None].expand(2, 2, 3), Labels(("sky", "road")), (0.5, 0.9)).name
        'road at (0.50, 0.90)'
    """
    region = positions(place, (logits.shape[1], logits.shape[2])).to(logits.device)
    index = class_in(region, logits, labels, wanted)
    return RegionTarget(index, region, f"{labels[index]} {in_words(place)}", place)


def class_in(region: torch.Tensor, logits: torch.Tensor, labels: Labels, wanted: str | int | None) -> int:
    """Return the index of a class; of `None` the one that is predicted at most positions of a region.

    Raises:
        LabelError: no such class.
    """
    if wanted is not None:
        return labels.find(wanted, len(logits))
    return int(logits.argmax(0)[region].bincount().argmax())
