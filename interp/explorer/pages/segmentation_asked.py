"""What is asked of a segmentation: a class at a pixel, in a box or where it is predicted; and the answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import streamlit as st

import interp
from interp import targets
from interp.dense import RegionTarget
from interp.explanation import Explanation
from interp.explorer.asking import logits, target_of
from interp.explorer.drawing import shrunk
from interp.explorer.networks import Network
from interp.explorer.page import Sight
from interp.explorer.parts import Picked
from interp.explorer.pictures import Chosen
from interp.features import Levels, levels_of
from interp.places import Place, seen
from interp.progress import Progress

_HASHES: dict[str | type[Any], Callable[[Any], Any]] = {Network: repr, Chosen: lambda chosen: chosen.digest}


@dataclass(frozen=True)
class Question:
    """A class at a place.

    Attributes:
        pixels: the place in pixels of the picture, two numbers or four; `None` where the class is predicted.
        place: the same in fractions of what the network sees.
        wanted: name or index of the class; `None` for the one that is predicted there.
    """

    pixels: tuple[int, ...] | None = None
    place: Place | None = None
    wanted: str | int | None = None

    @property
    def query(self) -> targets.TargetLike:
        """What `interp.explain` is asked."""
        if self.place is not None:
            return targets.at(self.place, self.wanted)
        return None if self.wanted is None else targets.where_predicted(self.wanted)

    @property
    def python(self) -> str | None:
        """The same as Python; `None` where nothing need be said."""
        wanted = "" if self.wanted is None else repr(self.wanted)
        if self.place is None:
            return f"interp.targets.where_predicted({wanted})" if wanted else None
        kind = "pixel" if len(self.place) == 2 else "box"
        return f"interp.targets.{kind}({', '.join([*map(str, self.place), *([wanted] if wanted else [])])})"

    @property
    def region(self) -> str | None:
        """The same as a command's `--region`."""
        if self.pixels is not None:
            return ",".join(map(str, self.pixels))
        return None if self.wanted is None else "predicted"


def question(sight: Sight, picked: Picked | None, wanted: str | None) -> Question:
    """Return what a click or a box asks.

    Raises:
        PlaceError: the network does not see the place.
    """
    asked = None if wanted is None else target_of(sight.network, wanted)
    if picked is None:
        return Question(wanted=asked)
    size = sight.picture.picture.size
    pixels = _pixels(picked, size)
    box = sight.network.model.preprocess.box(size)
    return Question(pixels, seen(pixels, size, box), asked)


def _pixels(picked: Picked, size: tuple[int, int]) -> tuple[int, ...]:
    width, height = size
    x, y = (min(int(part * side), side - 1) for part, side in ((picked.left, width), (picked.top, height)))
    if picked.is_point:
        return x, y
    return x, y, max(round(picked.right * width), x + 1), max(round(picked.bottom * height), y + 1)


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs={Network: repr})
def levels(network: Network) -> Levels:
    """Return the levels of a network's U."""
    return levels_of(network.model)


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=_HASHES)
def answered(
    network: Network, picture: Chosen, asked: Question, method: str, layers: tuple[str, ...]
) -> dict[str, Explanation]:
    """Return the maps that answer, by layer, over a picture of the screen's size; not to be changed.

    Raises:
        MethodError, TargetError, PlaceError: it cannot be answered, in a sentence.
    """
    return answered_now(network, picture, asked, method, layers, None)


def answered_now(
    network: Network,
    picture: Chosen,
    asked: Question,
    method: str,
    layers: tuple[str, ...],
    progress: Progress | None,
) -> dict[str, Explanation]:
    """Do what `answered` does, tell how far it is, and keep nothing of it."""
    found = interp.explain(
        network.model, [picture.picture], asked.query, method, list(layers), progress=progress
    )
    small = shrunk(found[0])
    return {each.layer: replace(each, picture=small.picture, box=small.box) for each in found}


def share(network: Network, picture: Chosen, target: RegionTarget) -> float:
    """Return the probability of the asked class, 0 … 1, on average over the region."""
    probabilities = network.model.probabilities(logits(network, picture)[None])[0, target.index]
    return float(probabilities[target.region.cpu()].mean())


def predicted_there(network: Network, picture: Chosen, target: RegionTarget) -> int:
    """Return the class that is predicted most in the region."""
    classes = logits(network, picture).argmax(0)[target.region.cpu()]
    return int(classes.bincount().argmax())


def context_share(values: npt.NDArray[np.float32], region: npt.NDArray[np.bool_]) -> float | None:
    """Return which share of a map's positive values lies outside a region, each cell by its area.

    Args:
        values: `(h, w)`, of any resolution.
        region: `(H, W)`; both cover the same.

    Returns:
        0 … 1; `None` where the map has no positive value.

    Example:
        >>> context_share(np.float32([[3, 1]]), np.array([[True, True, False, False]]))
        0.25
    """
    rows, columns = (
        ((np.arange(many) + 0.5) * few / many).astype(int)
        for many, few in zip(region.shape, values.shape, strict=True)
    )
    energy = np.maximum(values, 0).astype(np.float64)[np.ix_(rows, columns)]
    total = energy.sum()
    return float(energy[~region].sum() / total) if total > 0 else None
