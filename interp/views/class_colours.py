"""Colours for classes, as far apart as can be, with and without red-green vision."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from interp.views.checks import ViewError

Colours = npt.NDArray[np.uint8]
_Floats = npt.NDArray[np.float64]

_MOST: Final = 512
# Okabe and Ito's colours without black; the others are found by distance from these.
_FIRST: Final = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (213, 94, 0),
    (204, 121, 167),
    (86, 180, 233),
    (240, 228, 66),
)
# Machado, Oliveira and Fernandes (2009), full protanopia and deuteranopia, on linear RGB.
_VISIONS: Final = (
    np.eye(3),
    np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
)
# Ottosson's OKLab (2020): linear RGB to cones, and the cones' cube roots to lightness and colour.
# In CIELAB blues that look alike lie far apart.
_TO_CONES: Final = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_FROM_CONES: Final = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
# Lightness counts for more than colour in OKLab than it does between large areas.
_WEIGHTS: Final = np.array([1.0, 2.0, 2.0])
# Most people see all colours: a difference seen by them alone counts, but less is asked of the others.
_LENIENCE: Final = np.array([1.0, 1.6, 1.6])


def class_colours(count: int) -> Colours:
    """Colours for so many classes; the first ones are always the same.

    Seven are Okabe and Ito's. Each further one is that of a fixed set whose nearest neighbour among
    those taken is farthest: `argmax_c min_t min_v w_v |Lab_v(c) - Lab_v(t)|` in OKLab, over normal
    vision (`w = 1`), protanopia and deuteranopia (`w = 1.6`) as `v`. Greys, near-white and near-black
    are left for other uses.

    Args:
        count: of classes, 1 to 512.

    Returns:
        uint8 (count, 3), RGB.

    Raises:
        ViewError: `count` is out of its range.

    Example:
        >>> class_colours(3).tolist()
        [[0, 114, 178], [230, 159, 0], [0, 158, 115]]
    """
    if not 1 <= count <= _MOST:
        raise ViewError(f"count {count}: give 1 to {_MOST} classes")
    return _ordered(64 if count <= 64 else _MOST)[:count].copy()


def seen(colours: npt.ArrayLike) -> _Floats:
    """Colours in OKLab as normal, red-blind and green-blind eyes see them.

    Args:
        colours: RGB bytes (count, 3).

    Returns:
        float64 (3, count, 3): vision, colour, (L, a, b).

    Example:
        >>> [round(part, 3) for part in seen([[255, 255, 255]])[0, 0].tolist()]
        [1.0, 0.0, 0.0]
    """
    share = np.asarray(colours, dtype=np.float64) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    linear = np.stack([np.clip(linear @ vision.T, 0, 1) for vision in _VISIONS])
    lab: _Floats = np.cbrt(linear @ _TO_CONES.T) @ _FROM_CONES.T
    return lab


@lru_cache(maxsize=2)
def _ordered(count: int) -> Colours:
    levels = np.arange(0, 256, 17)
    every = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    light, a, b = seen(every)[0].T
    every = every[(light > 0.36) & (light < 0.95) & (np.hypot(a, b) > 0.06)]
    views = seen(every)
    taken = list(_FIRST)
    nearest = np.full(len(every), np.inf)
    for colour in _FIRST:
        nearest = np.minimum(nearest, _distance(views, colour))
    while len(taken) < count:
        best = int(nearest.argmax())
        taken.append((int(every[best, 0]), int(every[best, 1]), int(every[best, 2])))
        nearest = np.minimum(nearest, _distance(views, taken[-1]))
    return np.array(taken, dtype=np.uint8)


def _distance(views: _Floats, colour: tuple[int, int, int]) -> _Floats:
    """How far each of several colours is from one, for the eyes that tell them apart the least."""
    apart = np.linalg.norm((views - seen([colour])) * _WEIGHTS, axis=-1)
    least: _Floats = (apart * _LENIENCE[:, None]).min(axis=0)
    return least
