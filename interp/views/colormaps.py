"""The colour tables on offer: each colour-blind-safe, each 256 rows, made once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from interp.views.checks import ViewError
from interp.views.scale import Display, check_display

Kind = Literal["sequential", "signed"]


@dataclass(frozen=True)
class Colormap:
    """One offered colour table.

    Attributes:
        name: matplotlib's name of it.
        kind: "sequential" runs from low to high; "signed" has a neutral middle for zero.
        about: a line for people who choose.
    """

    name: str
    kind: Kind
    about: str


_OFFERED: Final = (
    Colormap("magma", "sequential", "black, purple, orange, cream; even steps"),
    Colormap("inferno", "sequential", "black, red, yellow; more contrast than magma"),
    Colormap("viridis", "sequential", "violet, green, yellow; no black"),
    Colormap("cividis", "sequential", "blue to yellow; the same with and without red-green vision"),
    Colormap("RdBu_r", "signed", "blue against, white zero, red for"),
    Colormap("PuOr_r", "signed", "purple against, white zero, orange for"),
    Colormap("BrBG", "signed", "brown against, white zero, blue-green for"),
)

COLORMAPS: Final[Mapping[str, Colormap]] = MappingProxyType({c.name: c for c in _OFFERED})

_DEFAULTS: Final[Mapping[Display, str]] = MappingProxyType(
    {"positive": "magma", "signed": "RdBu_r", "range": "viridis"}
)


def default_for(display: Display) -> str:
    """Name of the colour table that a display uses unless told otherwise.

    Raises:
        ValueError: `display` is not one of the three.

    Example:
        >>> default_for("positive")
        'magma'
    """
    return _DEFAULTS[check_display(display)]


def offered_for(display: Display) -> tuple[str, ...]:
    """Names of the tables that suit a display, its default first.

    Raises:
        ValueError: `display` is not one of the three.

    Example:
        >>> offered_for("signed")
        ('RdBu_r', 'PuOr_r', 'BrBG')
    """
    default = default_for(display)
    kind: Kind = "signed" if display == "signed" else "sequential"
    others = (c.name for c in _OFFERED if c.kind == kind and c.name != default)
    return (default, *others)


@lru_cache(maxsize=len(_OFFERED))
def table(name: str) -> npt.NDArray[np.uint8]:
    """The 256 colours of an offered table, from low to high.

    Args:
        name: a key of `COLORMAPS`.

    Returns:
        A read-only array (256, 3) of RGB bytes; every call gives the same array. In signed tables
        rows 127 and 128 are one and the same neutral grey, so that zero has no tint.

    Raises:
        ViewError: no such table is offered; the message names near misses.

    Example:
        >>> table("magma").shape
        (256, 3)
    """
    check_colormap(name)
    # matplotlib takes a tenth of a second to import, and a caller may never come here.
    from matplotlib import colormaps

    colours = colormaps[name](np.arange(256), bytes=True)[:, :3]
    rows = np.ascontiguousarray(colours, dtype=np.uint8)
    if COLORMAPS[name].kind == "signed":
        # 256 entries have no middle one: the two beside it lean to either side by a shade.
        rows[127:129] = round(float(rows[127:129].mean()))
    rows.flags.writeable = False
    return rows


def check_colormap(name: str) -> str:
    """Return `name` where it is offered.

    Raises:
        ViewError: no such table is offered; the message names near misses.

    Example:
        >>> check_colormap("cividis")
        'cividis'
    """
    if name in COLORMAPS:
        return name
    by_lower = {key.lower(): key for key in COLORMAPS}
    near = [by_lower[key] for key in get_close_matches(str(name).lower(), by_lower, cutoff=0.5)]
    hint = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
    raise ViewError(f"no colormap {name!r}. {hint}On offer: {', '.join(COLORMAPS)}.")
