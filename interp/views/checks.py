"""What views take, checked: each complaint names the argument."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

Picture = npt.NDArray[np.uint8]
Classes = npt.NDArray[np.integer]
Numbers = npt.NDArray[np.float64]


class ViewError(ValueError):
    """A figure cannot be drawn from what was given; the message names the argument.

    Example:
        >>> issubclass(ViewError, ValueError)
        True
    """


def as_picture(value: npt.ArrayLike, name: str) -> Image.Image:
    """A picture of uint8 (height, width, 3) for Pillow.

    Args:
        value: the array.
        name: of the argument, for the message.

    Returns:
        An RGB picture of the same pixels.

    Raises:
        ViewError: the type, the shape or the channels are others, or there is no pixel.

    Example:
        >>> as_picture(np.zeros((4, 6, 3), np.uint8), "pictures[0]").size
        (6, 4)
    """
    array = np.asarray(value)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise ViewError(f"{name}: {array.dtype} of shape {array.shape}; give uint8 (height, width, 3)")
    return Image.fromarray(np.ascontiguousarray(array))


def as_classes(value: npt.ArrayLike, name: str) -> Classes:
    """A map of class numbers, checked.

    Args:
        value: whole numbers, (height, width).
        name: of the argument, for the message.

    Returns:
        The same numbers.

    Raises:
        ViewError: they are not whole numbers, or not of two axes, or there are none.

    Example:
        >>> as_classes([[0, 1]], "classes").shape
        (1, 2)
    """
    array = np.asarray(value)
    if not np.issubdtype(array.dtype, np.integer) or array.ndim != 2 or array.size == 0:
        raise ViewError(f"{name}: {array.dtype} of shape {array.shape}; give whole numbers (height, width)")
    return array


def as_numbers(value: npt.ArrayLike, name: str) -> Numbers:
    """A column of numbers as float64, infinities turned into NaN: neither can be drawn.

    Args:
        value: numbers, of one axis.
        name: of the argument, for the message.

    Returns:
        float64, of the same length.

    Raises:
        ViewError: there is not exactly one axis, or what is given are no numbers.

    Example:
        >>> as_numbers([1, float("inf")], "losses").tolist()
        [1.0, nan]
    """
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ViewError(f"{name}: give numbers of one axis") from error
    if array.ndim != 1:
        raise ViewError(f"{name}: shape {array.shape}; give numbers of one axis")
    array[~np.isfinite(array)] = np.nan
    return array


def check_part(name: str, value: float) -> float:
    """Return `value` where it is from 0 to 1.

    Args:
        name: of the argument, for the message.
        value: the number.

    Raises:
        ViewError: it is not.

    Example:
        >>> check_part("opacity", 0.4)
        0.4
    """
    try:
        inside = 0.0 <= value <= 1.0
    except TypeError:
        inside = False
    if not inside:
        raise ViewError(f"{name} {value!r}: give a number from 0 to 1")
    return value


def same_length(name: str, given: int, wanted: int, of: str) -> None:
    """Complain where two arguments do not belong together.

    Raises:
        ViewError: `given` is not `wanted`.

    Example:
        >>> same_length("labels", 3, 3, "classes")
    """
    if given != wanted:
        raise ViewError(f"{name}: {given} given for {wanted} {of}")
