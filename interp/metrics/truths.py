"""Masks that say where the target really is, found by a picture's name and brought to the network's input."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch

from interp.dense import RegionTarget
from interp.metrics.boxes import Boxes, read_boxes
from interp.metrics.trial import MetricError
from interp.regions import Seen, as_numbers, fitted
from interp.targets import Target

SUFFIXES = (".png", ".tif", ".tiff", ".bmp")
Truth = str | Path | Mapping[str, Any]
_OUTSIDE = -1


def masks_of(truth: Truth) -> dict[str, Any]:
    """Return masks by the name of their picture without its ending.

    Args:
        truth: a folder of masks, each called like its picture; a table of boxes (`.csv`); or name → array,
            path or boxes.

    Raises:
        MetricError: no such folder, or no mask in it; or no such table, or no box in a row of it.

    Example:
        >>> sorted(masks_of("masks"))  # masks/cat.png, masks/dogs/rex.png
        ['cat', 'dogs/rex']
    """
    if not isinstance(truth, Mapping) and Path(truth).suffix.lower() == ".csv":
        truth = read_boxes(truth)
    if isinstance(truth, Mapping):
        return {_stem(str(name)): mask for name, mask in truth.items()}
    folder = Path(truth)
    if not folder.is_dir():
        raise MetricError(f"the folder of masks {folder} is not there.")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    masks = {_stem(path.relative_to(folder).as_posix()): path for path in found}
    if not masks:
        raise MetricError(f"{folder} has no mask (no file ends in {', '.join(SUFFIXES)}).")
    return masks


def mask_for(picture: str, masks: Mapping[str, Any]) -> Any:
    """Return the mask of a picture, of its path without the ending or of its name alone, or None."""
    stem = _stem(picture)
    return masks.get(stem, masks.get(PurePosixPath(stem).name))


def on_input(mask: Any, seen: Seen, size: tuple[int, ...], target: Target) -> torch.Tensor:
    """Return where the target really is on the network's input, bool `(*size)`.

    Of a class over a region of a segmentation, the mask is a label map and the truth where it has the number
    of that class. Of everything else the truth is where the mask is not 0.

    Args:
        mask: an array or the path of a mask, of the picture's size or the input's; or boxes.
        seen: the picture, and how the network sees it.
        size: of the network's input.
        target: what is asked.

    Raises:
        ImageError: the file cannot be opened, or holds no numbers.
        PlaceError: it is of another size.
    """
    if len(size) != 2:
        raise MetricError("masks are for pictures, with two sides.")
    if isinstance(mask, Boxes):
        inside = fitted(mask.mask(seen.picture.size), (size[0], size[1]), seen, "the mask")
        return torch.from_numpy(np.asarray(inside > 0))
    numbers = fitted(as_numbers(mask, "the mask"), (size[0], size[1]), seen, "the mask", _OUTSIDE)
    if isinstance(target, RegionTarget):
        return torch.from_numpy(numbers == target.index)
    return torch.from_numpy(np.asarray(numbers > 0))


def _stem(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()
