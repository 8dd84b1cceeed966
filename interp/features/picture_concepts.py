"""Masks of what is in a picture: plain things that need no labels, or the classes of a segmentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from interp.features.errors import FeatureError
from interp.models import ImageModel

Masks = Mapping[str, npt.NDArray[np.bool_]]
Concepts = Callable[[Image.Image], Mapping[str, Any]]
"""From a picture to masks by name, each `(height, width)` of the picture, true where the concept is."""

HUES = ("red", "yellow", "green", "cyan", "blue", "magenta")
_LUMA = (0.299, 0.587, 0.114)


def simple_concepts(picture: Image.Image) -> Masks:
    """Return masks of what needs no labels: `bright`, `dark`, `grey`, six hues, `edge`, `flat`.

    With Y the luma and C = max(R, G, B) − min(R, G, B), all 0 … 1: bright is Y > 0.7, dark Y < 0.3, grey
    C < 0.06. A hue is a sector of 60° around its pure colour, where C ≥ 0.15. |∇Y| by central differences is
    above 0.1 at an edge, and below 0.02 where it is flat.

    Args:
        picture: any size of at least 2 × 2 pixels.

    Example:
        >>> masks = simple_concepts(Image.new("RGB", (4, 3), "red"))
        >>> [name for name, mask in masks.items() if mask.all()]
        ['dark', 'red', 'flat']
    """
    pixels = np.asarray(picture.convert("RGB"), np.float64) / 255
    luma = pixels @ np.array(_LUMA)
    chroma = pixels.max(2) - pixels.min(2)
    down, across = np.gradient(luma)
    steep = np.hypot(down, across)
    sector = _sector(pixels, chroma)
    found = {"bright": luma > 0.7, "dark": luma < 0.3, "grey": chroma < 0.06}
    found |= {name: (sector == number) & (chroma >= 0.15) for number, name in enumerate(HUES)}
    return found | {"edge": steep > 0.1, "flat": steep < 0.02}


def _sector(pixels: npt.NDArray[np.float64], chroma: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return which pure colour is nearest by angle, 0 … 5, of colours that have one."""
    red, green, blue = np.moveaxis(pixels, 2, 0)
    safe = np.where(chroma > 0, chroma, 1)
    angle = np.select(
        [pixels.argmax(2) == 0, pixels.argmax(2) == 1],
        [(green - blue) / safe, 2 + (blue - red) / safe],
        4 + (red - green) / safe,
    )
    nearest: npt.NDArray[np.int64] = np.floor(angle + 0.5).astype(np.int64) % 6
    return nearest


def segmented_by(model: ImageModel) -> Concepts:
    """Return what gives the masks of a segmentation's classes, each where it is likeliest.

    What the network does not see of a picture, where its preprocessing cuts it off, has no class.

    Args:
        model: of task "segmentation"; its labels are the names.

    Raises:
        FeatureError: it has another task.

    Example:
        >>> masks = segmented_by(interp.load("runs/streets"))(Image.open("street.png"))
        >>> masks["road"].mean()
    """
    if model.task != "segmentation":
        raise FeatureError(
            f"{model.name} does {model.task} and gives no masks. Give a segmentation, or a function from a "
            "picture to masks by name."
        )

    def masks(picture: Image.Image) -> Masks:
        rgb = picture.convert("RGB" if model.preprocess.channels == 3 else "L")
        scores = model.logits(model.prepare([rgb]))[0].float()
        # One logit says the first name, or nothing.
        likeliest = (scores[0] <= 0).long() if len(scores) == 1 else scores.argmax(0)
        placed = _on_picture(likeliest.cpu().numpy(), model, picture.size)
        return {model.labels[number]: placed == number for number in range(len(scores))}

    return masks


def _on_picture(
    classes: npt.NDArray[np.int64], model: ImageModel, size: tuple[int, int]
) -> npt.NDArray[np.int64]:
    """Return the class at the centre of each pixel of the picture, -1 outside what the network saw."""
    box = model.preprocess.box(size)
    x = (np.arange(size[0]) + 0.5 - box.left) / box.width
    y = (np.arange(size[1]) + 0.5 - box.top) / box.height
    rows = np.floor(y * classes.shape[0]).astype(int).clip(0, classes.shape[0] - 1)
    columns = np.floor(x * classes.shape[1]).astype(int).clip(0, classes.shape[1] - 1)
    inside = ((y >= 0) & (y < 1))[:, None] & ((x >= 0) & (x < 1))[None]
    return np.where(inside, classes[rows][:, columns], -1)


def masks_of(concepts: Concepts, picture: Image.Image) -> dict[str, npt.NDArray[np.bool_]]:
    """Return what a function says of a picture, checked.

    Raises:
        FeatureError: it gives no masks by name, or one of another size.

    Example:
        >>> masks_of(lambda picture: {"all": [[1]]}, Image.new("RGB", (1, 1)))
        {'all': array([[ True]])}
    """
    said = concepts(picture)
    if not isinstance(said, Mapping):
        raise FeatureError(
            f"concepts: the function gives a {type(said).__name__}; it must give a dictionary of masks by "
            "name."
        )
    found = {}
    for name, mask in said.items():
        array = np.asarray(mask)
        if array.shape != (picture.height, picture.width):
            raise FeatureError(
                f"concepts: the mask {str(name)!r} has the shape {array.shape}; give (height, width) of the "
                f"picture, {(picture.height, picture.width)}."
            )
        found[str(name)] = array.astype(bool)
    return found
