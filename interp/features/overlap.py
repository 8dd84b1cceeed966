"""How strong activations and concepts overlap: pixels counted over a stream of pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

Numbers = npt.NDArray[np.float64]

# Units that are enlarged at a time; all of a wide layer's would not fit.
_AT_ONCE = 64


class Overlap:
    """Counts of pixels where units exceed their thresholds, where concepts are, and where both.

    Attributes:
        both: `(units, levels, concepts)`.
        strong: `(units, levels)`.
        labelled: `(concepts,)`.
        pixels: all.

    Example:
        >>> counts = Overlap(1, 1, 1)
        >>> counts.add(torch.eye(2)[None], torch.tensor([[0.5]]), torch.ones(4, 1), (2, 2))
        >>> counts.iou().item()
        0.5
    """

    def __init__(self, units: int, levels: int, concepts: int) -> None:
        self.both = torch.zeros(units, levels, concepts, dtype=torch.float64)
        self.strong = torch.zeros(units, levels, dtype=torch.float64)
        self.labelled = torch.zeros(concepts, dtype=torch.float64)
        self.pixels = 0

    def grow(self, concepts: int) -> None:
        """Make room for concepts that were in no picture so far."""
        more = concepts - len(self.labelled)
        self.both, self.labelled = F.pad(self.both, (0, more)), F.pad(self.labelled, (0, more))

    def add(
        self,
        activation: Tensor,
        limits: Tensor,
        labels: Tensor,
        size: Sequence[int],
        known: Tensor | None = None,
    ) -> None:
        """Count one picture.

        Args:
            activation: `(units, h, w)`, enlarged to the picture here.
            limits: `(units, levels)`, the thresholds.
            labels: `(pixels, concepts)`, 1 where a concept is; pixels in rows, as they are flattened.
            size: `(H, W)` of the picture.
            known: bool `(H, W)`, of the pixels that count; then `labels` has these only.
        """
        labels = labels.to(activation.device).float()
        self.labelled += labels.sum(0).cpu().double()
        self.pixels += len(labels)
        for start in range(0, len(activation), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            values = enlarged(activation[part], size)
            values = values.flatten(1) if known is None else values[:, known.to(values.device)]
            for level in range(limits.shape[1]):
                above = (values > limits[part, level, None].to(values.device)).float()
                self.both[part, level] += (above @ labels).cpu().double()
                self.strong[part, level] += above.sum(1).cpu().double()

    def iou(self) -> Tensor:
        """Return intersection over union, `(units, levels, concepts)`; NaN of concepts that are nowhere."""
        union = self.strong[..., None] + self.labelled - self.both
        return torch.where(self.labelled > 0, self.both / union.clamp(min=1), torch.nan)

    def by_chance(self) -> Tensor:
        """Return the IoU of places as large that have nothing to do with each other, in shape of `iou`."""
        strong, labelled = self.strong[..., None] / self.pixels, self.labelled / self.pixels
        meet = strong * labelled
        return torch.where(labelled > 0, meet / (strong + labelled - meet), torch.nan)

    def quality(self) -> Tensor:
        """Return the information quality ratio `I(M; L) / H(M, L)`, in shape of `iou`.

        Where a unit is strong rather without the concept than with it, 0: knowing the opposite is no match.
        """
        both, strong, labelled = self.both, self.strong[..., None], self.labelled
        joint = [both, strong - both, labelled - both, self.pixels - strong - labelled + both]
        together = _entropy(joint, self.pixels)
        apart = _entropy([strong, self.pixels - strong], self.pixels) + _entropy(
            [labelled, self.pixels - labelled], self.pixels
        )
        ratio = torch.where(together > 0, (apart - together) / together, 0.0)
        return torch.where(both * self.pixels > strong * labelled, ratio, 0.0)


def _entropy(counts: Sequence[Tensor], pixels: int) -> Tensor:
    parts = [count / pixels for count in counts]
    found: Tensor = sum((-torch.xlogy(part, part) for part in parts), torch.zeros(()))
    return found


def enlarged(activation: Tensor, size: Sequence[int]) -> Tensor:
    """Return `(units, h, w)` at another size, values in between by bilinear interpolation.

    Example:
        >>> enlarged(torch.zeros(3, 7, 7), (224, 224)).shape
        torch.Size([3, 224, 224])
    """
    return F.interpolate(activation[None], list(size), mode="bilinear", align_corners=False)[0]


def rank_of(values: int, quantile: float) -> int:
    """Return the rank, from 1, of the value that a share of all exceeds, if none are equal.

    Example:
        >>> rank_of(200, 0.01)
        3
    """
    return min(int(values * quantile) + 1, values)


def best_of(iou: Numbers, names: Sequence[str]) -> tuple[str, float]:
    """Return the name whose IoU is highest, and that; of equal ones the first.

    Example:
        >>> best_of(np.array([0.1, np.nan, 0.3]), ["sky", "road", "car"])
        ('car', 0.3)
    """
    known = np.nan_to_num(iou, nan=-1.0)
    return names[int(known.argmax())], float(known.max())


def detectors_of(iou: Numbers, names: Sequence[str], threshold: float) -> dict[str, list[int]]:
    """Return the units whose best concept has more than `threshold`, by concept, the best first.

    Example:
        >>> detectors_of(np.array([[0.1, 0.3], [0.0, 0.5]]), ["sky", "car"], 0.05)
        {'car': [1, 0]}
    """
    found: dict[str, list[tuple[float, int]]] = {}
    for unit, row in enumerate(iou):
        name, score = best_of(row, names)
        if score > threshold:
            found.setdefault(name, []).append((-score, unit))
    return {name: [unit for _, unit in sorted(found[name])] for name in names if name in found}
