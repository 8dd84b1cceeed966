"""Which units of a generator paint what, as it was found: the table, and the pictures that show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor, nn

from interp.capture import record
from interp.features.errors import FeatureError
from interp.features.generated import Samples, made_pictures
from interp.features.overlap import best_of, detectors_of, enlarged
from interp.features.picture_concepts import Concepts
from interp.layers import main_output
from interp.models import ImageModel
from interp.places import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Mask = npt.NDArray[np.bool_]

DETECTS = 0.05


@dataclass(frozen=True, eq=False)
class GeneratorDissection:
    """How well each unit of a generator's layer lies on each concept of the pictures it makes.

    Attributes:
        layer: as resolved.
        concepts: names, in the order of the columns.
        iou: `(units, concepts)`, intersection over union over all pixels of all samples; NaN of a concept
            that is in no picture.
        chance: `(units, concepts)`, the IoU of places as large that have nothing to do with each other: of
            two halves of the pictures it is 1/3.
        thresholds: `(units, concepts)`, above which the unit counts as strong.
        shares: `(units, concepts)`, share of its activations above the threshold.
        areas: `(concepts,)`, share of all pixels.
        means: `(units,)`, of the activations.
        high: `(units,)`, mean of the top 1 % of the activations.
        peaks: `(units, samples)`, the highest activation in each sample.
        samples: what the generator was given.
        failed: file → reason, for those that could not be opened.
        masks: from a picture to its concepts.
    """

    layer: str
    concepts: tuple[str, ...]
    iou: npt.NDArray[np.float64] = field(repr=False)
    chance: npt.NDArray[np.float64] = field(repr=False)
    thresholds: npt.NDArray[np.float32] = field(repr=False)
    shares: npt.NDArray[np.float64] = field(repr=False)
    areas: npt.NDArray[np.float64] = field(repr=False)
    means: npt.NDArray[np.float32] = field(repr=False)
    high: npt.NDArray[np.float32] = field(repr=False)
    peaks: npt.NDArray[np.float32] = field(repr=False)
    samples: Samples = field(repr=False)
    failed: dict[str, str] = field(repr=False)
    masks: Concepts = field(repr=False)

    @property
    def model(self) -> ImageModel:
        """The generator."""
        return self.samples.model

    @property
    def excess(self) -> npt.NDArray[np.float64]:
        """How much the IoU is above chance, `(units, concepts)`; by it the best are the best."""
        return self.iou - self.chance

    def best(self, unit: int) -> tuple[str, float]:
        """Return the concept that a unit fits best, and the IoU.

        Raises:
            FeatureError: there is no such unit.
        """
        name, _ = best_of(self.excess[self.checked([unit])[0]], self.concepts)
        return name, float(self.iou[unit, self._column(name)])

    def ranked(self, concept: str | None = None) -> list[int]:
        """Return the units, the best first: for a concept, or each for its own best.

        Raises:
            FeatureError: there is no such concept.
        """
        if concept is None:
            scores = np.array([best_of(row, self.concepts)[1] for row in self.excess])
        else:
            scores = np.nan_to_num(self.excess[:, self._column(concept)], nan=-1.0)
        return [int(unit) for unit in np.argsort(-scores, kind="stable")]

    def detectors(self, threshold: float = DETECTS) -> dict[str, list[int]]:
        """Return the units whose IoU is more than `threshold` above chance, by concept, the best first.

        The paper counts an IoU above 0.05.
        """
        return detectors_of(self.excess, self.concepts, threshold)

    def top_samples(self, units: Sequence[int], count: int = 5) -> list[int]:
        """Return the samples in which units are strongest: their peaks summed, each as a share of its own."""
        chosen = self.peaks[self.checked(units)]
        most = np.abs(chosen).max(1, keepdims=True)
        strength = (chosen / np.where(most > 0, most, 1)).sum(0)
        return [int(place) for place in np.argsort(-strength, kind="stable")[:count]]

    def example(self, unit: int, sample: int, concept: str | None = None) -> tuple[Image.Image, Mask]:
        """Return a generated picture, and where in it a unit is strong.

        Args:
            unit: number.
            sample: number.
            concept: by the threshold for this one; default: the one that the unit fits best.

        Raises:
            FeatureError: there is no such unit, sample or concept.
        """
        self.checked([unit])
        column = self._column(concept or self.best(unit)[0])
        with self.model.twin() as private:
            activation, output = activation_and_output(private, self.layer, self.samples.inputs([sample]))
        picture = made_pictures(self.model, output)[0]
        limit = float(self.thresholds[unit, column])
        values = enlarged(activation[0, unit : unit + 1].float(), (picture.height, picture.width))[0]
        return picture, (values > limit).cpu().numpy()

    def figure(
        self, units: Sequence[int] | None = None, *, concept: str | None = None, columns: int = 6
    ) -> Figure:
        """Draw the samples in which units are strongest, each with a line around where they are.

        Args:
            units: a row for each; default: the six that fit the concept best.
            concept: for which they are drawn; default: for each the one that it fits best.
            columns: samples for each.

        Raises:
            FeatureError: there is no such unit or concept.

        Example:
            >>> found = dissect_generator(interp.load("runs/noise/generator"), "3")
            >>> found.figure([4, 7]).savefig("units.png")
        """
        from interp.views import outlined, picture_grid

        rows, labels = [], []
        for unit in self.ranked(concept)[:6] if units is None else self.checked(units):
            shown = [self.example(unit, place, concept) for place in self.top_samples([unit], columns)]
            rows.append([outlined(picture, mask) for picture, mask in shown])
            name = concept or self.best(unit)[0]
            labels.append(f"unit {unit}: {name} IoU {self.iou[unit, self._column(name)]:.2f}")
        return picture_grid(
            rows,
            row_labels=labels,
            heading=f"{self.model.name}, layer {self.layer}",
            note="The pictures in which each unit is strongest; inside the line it is above its threshold. "
            f"IoU with {concept or 'the concept that it fits best'}, over {self.samples.count} pictures.",
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values: of each unit, the best first, its IoU with every concept, `None` for NaN."""
        return {
            "model": self.model.name,
            "layer": self.layer,
            "samples": self.samples.count,
            "seed": None if self.samples.files else self.samples.seed,
            "areas": dict(zip(self.concepts, self.areas.tolist(), strict=True)),
            "units": [self._unit(unit) for unit in self.ranked()],
            "failed": self.failed,
        }

    def _unit(self, unit: int) -> dict[str, Any]:
        name, score = self.best(unit)
        column = self._column(name)
        iou = {other: _known(value) for other, value in zip(self.concepts, self.iou[unit], strict=True)}
        return {
            "unit": unit,
            "concept": name,
            "iou": _known(score),
            "chance": _known(self.chance[unit, column]),
            "threshold": _known(self.thresholds[unit, column]),
            "share": float(self.shares[unit, column]),
            "ious": iou,
        }

    def checked(self, units: Sequence[int]) -> list[int]:
        """Return units that are there.

        Raises:
            FeatureError: one is not, or none is given.
        """
        chosen = whole_numbers(units, "units")
        for unit in chosen:
            if not 0 <= unit < len(self.iou):
                raise FeatureError(f"unit {unit}: {self.layer!r} has the units 0 … {len(self.iou) - 1}.")
        return chosen

    def _column(self, concept: str) -> int:
        if concept not in self.concepts:
            raise FeatureError(f"concept {concept!r}: there are {', '.join(self.concepts)}.")
        return self.concepts.index(concept)


def _known(value: float) -> float | None:
    """Return a number as JSON has it, which knows no NaN."""
    return float(value) if np.isfinite(value) else None


def is_whole(given: Any) -> TypeGuard[int]:
    """Whether a value is a whole number; numpy's are, too, and bools are not."""
    return isinstance(given, Integral) and not isinstance(given, bool)


def whole_numbers(given: Any, what: str) -> list[int]:
    """Return some numbers of units or samples, from whatever holds them.

    Raises:
        FeatureError: there is none, or it is something else.

    Example:
        >>> whole_numbers(np.array([3, 1]), "units")
        [3, 1]
    """
    several = plain(given)
    if not isinstance(several, Sequence) or isinstance(several, str) or not all(map(is_whole, several)):
        raise FeatureError(f"{what}={several!r:.80}: give whole numbers, as [0, 3].")
    if not len(several):
        raise FeatureError(f"{what}: there is none. Give at least one number.")
    return [int(one) for one in several]


def activation_and_output(private: nn.Module, layer: str, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return what a layer gives, `(B, C, h, w)`, and what the network does.

    Raises:
        FeatureError: the layer has no grid.
    """
    with record(private, [layer]) as recording:
        output = main_output(private(inputs.clone()))
    activation = recording[layer]
    if activation.dim() != 4:
        raise FeatureError(
            f"the layer {layer!r} gives {tuple(activation.shape)}: give one with (batch, channels, height, "
            "width)."
        )
    return activation, output
