"""Maps of classes as colours, alone or over their picture."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from interp.views.checks import Picture, ViewError, as_classes, as_picture

# No class has a grey: this is where nobody said what is there.
VOID: Final = (216, 216, 216)
# On a faded picture it is the darkest colour as well as the only red one.
MISTAKE: Final = (200, 0, 50)


def mask_picture(classes: npt.ArrayLike, colours: npt.ArrayLike, *, void: int | None = None) -> Picture:
    """A map of classes in their colours.

    Args:
        classes: whole numbers (height, width); each is a row of `colours`, or `void`.
        colours: uint8 (classes, 3), as from `class_colours`.
        void: the number that stands for no class, drawn light grey; it may lie outside `colours`.

    Returns:
        uint8 (height, width, 3).

    Raises:
        ViewError: a number has no colour, or an argument has another type or shape.

    Example:
        >>> mask_picture([[0, 255]], [[9, 8, 7]], void=255).tolist()
        [[[9, 8, 7], [216, 216, 216]]]
    """
    return painted(classes, colours, void, "classes")


def mask_over(
    picture: npt.ArrayLike,
    classes: npt.ArrayLike,
    colours: npt.ArrayLike,
    *,
    void: int | None = None,
    opacity: float = 0.55,
) -> Picture:
    """A map of classes in their colours over its picture.

    `(1 - opacity) * picture + opacity * colour`; where the map is void, the picture alone.

    Args:
        picture: uint8 (height, width, 3).
        classes: whole numbers (height, width), of the picture's size.
        colours: uint8 (classes, 3), as from `class_colours`.
        void: the number that stands for no class.
        opacity: share of the colours, 0 to 1.

    Returns:
        uint8 (height, width, 3).

    Raises:
        ViewError: the sizes differ, or an argument is out of its range.

    Example:
        >>> mask_over(np.zeros((1, 1, 3), np.uint8), [[0]], [[100, 200, 50]], opacity=0.5).tolist()
        [[[50, 100, 25]]]
    """
    if not 0.0 <= opacity <= 1.0:
        raise ViewError(f"opacity {opacity!r}: give a number from 0 to 1")
    photograph = np.asarray(as_picture(picture, "picture"))
    mask, numbers = mask_picture(classes, colours, void=void), np.asarray(classes)
    same_size("classes", numbers, photograph)
    share = np.full(numbers.shape, opacity) if void is None else opacity * (numbers != void)
    blend = photograph + share[..., None] * (mask.astype(np.float64) - photograph)
    result: Picture = np.rint(blend).astype(np.uint8)
    return result


def mistakes_over(
    picture: npt.ArrayLike,
    truth: npt.ArrayLike,
    predicted: npt.ArrayLike,
    *,
    void: int | None = None,
) -> Picture:
    """A faded grey picture with red where the prediction is wrong, and grey where the truth is void.

    Args:
        picture: uint8 (height, width, 3).
        truth: whole numbers (height, width), of the picture's size.
        predicted: whole numbers (height, width), of the picture's size.
        void: the number in `truth` that stands for no class; there nothing can be wrong.

    Returns:
        uint8 (height, width, 3).

    Raises:
        ViewError: the sizes differ, or an argument has another type or shape.

    Example:
        >>> mistakes_over(np.zeros((1, 2, 3), np.uint8), [[0, 1]], [[0, 0]])[0, 1].tolist()
        [200, 0, 50]
    """
    photograph = as_picture(picture, "picture")
    known, said = as_classes(truth, "truth"), as_classes(predicted, "predicted")
    grey = np.asarray(photograph.convert("L").convert("RGB"))
    same_size("truth", known, grey)
    same_size("predicted", said, grey)
    result = (115 + 0.5 * grey).astype(np.uint8)
    result[known != said] = MISTAKE
    if void is not None:
        result[known == void] = VOID
    return result


def painted(classes: npt.ArrayLike, colours: npt.ArrayLike, void: int | None, name: str) -> Picture:
    """What `mask_picture` returns, for an argument that has another name."""
    numbers, table = as_classes(classes, name), np.asarray(colours)
    if table.ndim != 2 or table.shape[1:] != (3,) or not len(table) or table.min() < 0 or table.max() > 255:
        raise ViewError(f"colours: shape {table.shape}; give (classes, 3), each from 0 to 255")
    nowhere = np.zeros(numbers.shape, dtype=bool) if void is None else numbers == void
    unknown = ((numbers < 0) | (numbers >= len(table))) & ~nowhere
    if unknown.any():
        but = "" if void is None else f", and {void} for none"
        raise ViewError(
            f"{name}: has the number {numbers[unknown][0]}, but there are {len(table)} classes{but}"
        )
    result = table.astype(np.uint8)[np.where(nowhere, 0, numbers)]
    result[nowhere] = VOID
    return result


def same_size(name: str, given: npt.NDArray[np.generic], picture: Picture) -> None:
    """Complain where a map of classes is not of its picture's height and width.

    Raises:
        ViewError: it is not.

    Example:
        >>> same_size("truth", np.zeros((2, 3)), np.zeros((2, 3, 3), np.uint8))
    """
    if given.shape != picture.shape[:2]:
        raise ViewError(f"{name}: shape {given.shape} over a picture of {picture.shape[:2]}")
